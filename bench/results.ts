import type { Machine } from './machine.ts';
import type { Account } from './measure/account.ts';
import type { IngestResult } from './measure/ingest.ts';
import type { LatencyResult } from './measure/latency.ts';
import type { MemoryResult } from './measure/memory.ts';
import type { ProcessingResult } from './measure/processing.ts';
import type { ProductionResult } from './measure/production.ts';

/** Everything that one run of the benchmark found out: what is written to bench/results. */
export interface Results {
  readonly startedAt: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly machine: Machine;
  ingest?: IngestResult;
  batch?: readonly IngestResult[];
  processing?: ProcessingResult;
  latency?: LatencyResult;
  memory?: MemoryResult;
  production?: ProductionResult;
}

/** The accounts of all that was measured. */
export function accountsOf({ ingest, batch, processing, latency, production }: Results): readonly Account[] {
  return [ingest, ...(batch ?? []), processing, latency, production].flatMap((result) =>
    result ? [result.account] : [],
  );
}
