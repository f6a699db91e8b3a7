import { setFlagsFromString } from 'node:v8';

/**
 * How much the old generation may grow, in percent of what lived after its last collection, before it is collected
 * again. What waits for an append or a transaction outlives the young one (bin/esp.js), so a busy process fills the old
 * one with garbage, and V8's own choice lets that grow to several times what lives. Both bounds trade processor time
 * for memory. Measured side by side:
 *
 * - `esp api`, 8 MiB, 70 %: single events, arrays and NDJSON at their top rates, one after another, a peak of 161 to
 *   177 MiB. With 4 MiB it is 154 to 168, for 7 % more processor time for each single event; with 16 MiB 180 to 185,
 *   for no less.
 * - `esp worker`, 8 MiB, 160 %: a peak of 197 to 220 MiB where there is a backlog; with 250 % 215 to 243, now and then
 *   285, with 100 % 182 to 200. Neither takes more or less processor time, nor is an event stored later at half of the
 *   top rate. A young generation of 16 or 32 MiB takes no less time.
 * - `esp start`, whose two threads have a bound together: 8 MiB, 60 %. With 16 MiB single events take 5 % less time,
 *   and 25 MiB more; NDJSON with 4 MiB took a tenth more.
 *
 * And no object is made in the old generation (allocation-site pretenuring). V8 does so where it has seen what is made
 * there outlive the young one, and the first second of a cold process is enough for that: answers are late then. From
 * there on every request is kept, by something of it that is dead and old, until the old generation is collected, five
 * times a second: 15 to 20 % of the processor time of such a process. Of those that began with 128 requests under way,
 * a quarter were so for as long as they ran (decision 16).
 *
 * It concerns the whole process, so a program that embeds the server chooses for itself.
 */
export function tuneHeap(growthPercent: number): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
  setFlagsFromString('--no-allocation-site-pretenuring');
}
