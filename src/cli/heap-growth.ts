import { setFlagsFromString } from 'node:v8';

/**
 * How much the old generation may grow, in percent of what lived after its last collection, before it is collected again. What
 * waits for an append or a transaction outlives the young one (bin/esp.js), so a busy process fills the old one with garbage, and V8's own
 * choice lets that grow to several times what lives. Both bounds trade processor time for memory. Measured side by side:
 *
 * - `esp api`, young generation of 4 MiB, 70 %: arrays and NDJSON at their top rates, one after another, a peak of 165 to 180 MiB; with
 *   V8's own growth and 8 MiB 235 to 250, for 5 % less processor time. With 8 MiB and 100 % it is 177 to 193.
 * - `esp worker`, 8 MiB, 250 %: with 300 % 0.87 to 0.92 s of processor time for 100,000 records and a peak of 251 to 274 MiB, with 150 %
 *   0.92 to 0.96 s, with a young generation of 16 or 32 MiB no less time and up to 297 MiB.
 * - `esp start`, whose two threads have a bound together: 8 MiB, 60 %. NDJSON with a young generation of 4 MiB instead took a tenth more time.
 *
 * It concerns the whole process, so a program that embeds the server chooses for itself.
 */
export function boundHeapGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
