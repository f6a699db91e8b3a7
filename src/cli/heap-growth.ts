import { setFlagsFromString } from 'node:v8';

/**
 * How much the old generation may grow, in percent of what lived after its last collection, before it is collected again. What
 * waits for a transaction outlives the young one, so a busy worker fills the old one with garbage, and V8's own choice lets
 * that grow to three times what lives. It trades processor time for memory, as the size of the young generation does (bin/esp.js).
 * Measured side by side, `esp worker` on Kafka and PostgreSQL, its processor time over that of PostgreSQL for the same records, five
 * rounds: with 100 % and a young generation of 32 MiB 0.88 and a peak of 265 to 325 MiB; with 100 % and 16 MiB 0.87 and 242 to 259, with
 * 150 % and 16 MiB 0.79 and 264 to 273, with 150 % and 8 MiB, which it has, 0.85 and 249 to 258.
 * `esp start`, whose two threads have a bound together, stays at 60 %. Not for `esp api`, which keeps nothing for long: with
 * 60 % it took a third more processor time for batches, for a tenth less memory.
 *
 * It concerns the whole process, so a program that embeds the server chooses for itself.
 */
export function boundHeapGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
