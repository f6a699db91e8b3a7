import type { Connection } from './connection.ts';
import { statement } from './statement.ts';

/** Start of a step → the text of its histogram, of those that have one. */
export type KnownLatencies = ReadonlyMap<number, string>;

const histogramsOfSteps = statement(
  'SELECT at, histogram FROM rollup_latency WHERE partition = $1 AND step_ms = $2 AND at = ANY($3::bigint[])',
);

/** Good until the transaction ends: nobody else writes this partition's while its progress is locked. */
export async function readLatencies(
  connection: Connection,
  partition: number,
  stepMs: number,
  steps: readonly number[],
): Promise<KnownLatencies> {
  if (steps.length === 0) return new Map();
  const known = await connection.rows<{ at: number; histogram: string }>(histogramsOfSteps, [partition, stepMs, steps]);
  return new Map(known.map(({ at, histogram }) => [at, histogram]));
}
