import { setFlagsFromString } from 'node:v8';

/**
 * How much the old generation may grow, in percent of what lived after its last collection, before it is collected again. What
 * waits for a transaction outlives the young one, so a busy worker fills the old one with garbage, and V8's own choice lets
 * that grow to three times what lives. Measured at top rate: `esp worker` 313 MiB instead of 500, `esp start` 312 instead of
 * 353 and with NDJSON 451 instead of 577; rates the same within 3 %. Not for `esp api`, which keeps nothing for long: a tenth of
 * its rate of NDJSON for a quarter of its memory.
 */
const growthPercent = 60;

/** For processes that store. It concerns the whole process, so a program that embeds the server chooses for itself. */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
}
