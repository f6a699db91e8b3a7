import { setFlagsFromString } from 'node:v8';

/**
 * How much the old generation may grow, in percent of what lived after its last collection, before it is collected again. What
 * waits for a transaction outlives the young one, so a busy worker fills the old one with garbage, and V8's own choice lets
 * that grow to three times what lives. It trades processor time for memory. Measured side by side, `esp worker` on Kafka and
 * PostgreSQL: with 60 % a peak of 224 to 251 MiB and 3.0 to 3.4 s for 100,000 records, with 150 % 267 to 303 MiB and 1.9 to 3.0 s; on
 * another day 250 MiB and 3.1 s with 100 %, beside 278 MiB and 3.0 s with 150 %.
 * `esp start`, whose two threads have a bound together, stays at 60 %. Not for `esp api`, which keeps nothing for long: with
 * 60 % it took a third more processor time for batches, for a tenth less memory.
 *
 * It concerns the whole process, so a program that embeds the server chooses for itself.
 */
export function boundHeapGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
