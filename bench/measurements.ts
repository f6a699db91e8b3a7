import { batch } from './batch/batch.ts';
import { growth } from './growth/growth.ts';
import { ingest } from './ingest/ingest.ts';
import { latency } from './latency/latency.ts';
import type { Measurement } from './measurement.ts';
import { memory } from './memory/memory.ts';
import { overload } from './overload/overload.ts';
import { process } from './process/process.ts';

/** In the order in which they run. */
export const measurements: readonly Measurement[] = [ingest, batch, process, latency, overload, memory, ...growth];
