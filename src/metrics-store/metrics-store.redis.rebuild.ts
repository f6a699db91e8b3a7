import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { createMetricsGrid, createTypeNumbers, type MetricsGrid } from './metrics-grid.ts';
import { isKept, metricsSteps } from './metrics-steps.ts';
import { messageStart } from './metrics-store.redis.changes.ts';
import { replyCode } from './metrics-store.redis.errors.ts';
import {
  formatHead,
  freshGeneration,
  type GenerationKeys,
  type Head,
  type Keys,
  noType,
  stepName,
} from './metrics-store.redis.keys.ts';
import { inChunks, type RedisLink } from './metrics-store.redis.link.ts';
import { latenciesFrom, pack, stepFields, totalFields, totalsPerType } from './metrics-store.redis.packed.ts';
import { runScript, switchScript, writeExpiringScript } from './metrics-store.redis.scripts.ts';
import type { MetricsSnapshot } from './metrics-store.ts';

interface Step {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly latencies: Buffer;
  readonly counts: Buffer;
}

export interface Rebuilding {
  readonly link: Pick<RedisLink, 'send'>;
  readonly keys: Keys;
  readonly now: () => number;
}

/**
 * Writes a snapshot under a fresh generation, in small commands of which little is under way at a time, and makes it the one
 * that counts if the head is still `found`. Until then its keys expire soon, so a rebuild that dies leaves nothing behind;
 * afterwards the keys of the old generation do.
 *
 * @returns false when the head has changed meanwhile, or the rebuild took longer than its keys live
 */
export async function rebuildPartition(
  { link, keys, now }: Rebuilding,
  snapshot: MetricsSnapshot,
  found: Head | null,
): Promise<boolean> {
  const { partition, watermark } = snapshot;
  const generation = freshGeneration();
  const of = keys.generation(partition, generation);
  const grid = createMetricsGrid(createTypeNumbers());
  grid.load(snapshot);
  const startedAt = now();
  const steps = stepsOf(grid, startedAt);
  await write(link, of, grid, steps);
  // Before the switch: a partition that is not listed is not read.
  await link.send(keys.partitions, ['SADD', keys.partitions, String(partition)]);

  const old = found === null ? null : keys.generation(partition, found.generation);
  const oldKeys = old === null ? [] : [old.types, old.totals, old.journal, old.steps];
  const staying = [
    of.types,
    ...(grid.types.names.length > 0 ? [of.totals] : []),
    ...(steps.length > 0 ? [of.steps] : []),
  ];
  const ofSteps = steps.flatMap(({ name, expiresAt, counts }) => [
    { key: of.latencies(name), expiresAt },
    ...(counts.length > 0 ? [{ key: of.counts(name), expiresAt }] : []),
  ]);
  const outcome = await runScript(
    link,
    switchScript,
    [keys.head(partition), ...oldKeys, ...staying, ...ofSteps.map(({ key }) => key)],
    [
      found?.text ?? '',
      formatHead(generation, found?.recentBytes ?? 0, watermark),
      String(oldKeys.length),
      String(staying.length),
      String(limits.metricsRebuildMs),
      keys.channel,
      `${messageStart(partition, watermark)}]}`,
      ...ofSteps.map(({ expiresAt }) => String(expiresAt - startedAt)),
    ],
  );
  const isDone = outcome === 'switched';
  await remove(link, isDone ? old : of);
  return isDone;
}

function stepsOf(grid: MetricsGrid, now: number): Step[] {
  return metricsSteps.flatMap((kind) =>
    [...grid.steps.get(kind.stepMs)!]
      .filter(([at]) => isKept(at, kind, now))
      .map(([at, counts]) => {
        const { values } = counts.latencies;
        const fields = new Float64Array(latenciesFrom + values.length);
        for (const field of ['stored', 'duplicate', 'failed', 'clockSkewed'] as const) {
          fields[stepFields[field]] = counts[field];
        }
        fields.set(values, latenciesFrom);
        return {
          name: stepName(kind.stepMs, at),
          expiresAt: at + kind.stepMs + kind.keptMs,
          latencies: pack(fields),
          counts: pack(counts.types.values),
        };
      }),
  );
}

function totalsOf({ totals, types }: MetricsGrid): Buffer {
  const values = new Float64Array(types.names.length * totalsPerType);
  for (const field of ['stored', 'duplicate', 'failed'] as const) {
    for (const [type, value] of totals[field].values.entries()) {
      if (value > 0) values[type * totalsPerType + totalFields[field]] = value;
    }
  }
  return pack(values);
}

async function write(
  link: Pick<RedisLink, 'send'>,
  of: GenerationKeys,
  grid: MetricsGrid,
  steps: readonly Step[],
): Promise<void> {
  const lives = String(limits.metricsRebuildMs);
  const types = [noType, '0', ...grid.types.names.flatMap((name, number) => [name, String(number)])];
  const members = steps.flatMap(({ name, expiresAt }) => [String(expiresAt), name]);
  const writes: Write[] = [
    ...chunked(types).map((chunk): Write => ['HSET', of.types, ...chunk]),
    ...chunked(members).map((chunk): Write => ['ZADD', of.steps, ...chunk]),
    ...(grid.types.names.length > 0 ? [['SET', of.totals, totalsOf(grid)] satisfies Write] : []),
    ...steps.flatMap(({ name, latencies, counts }): Write[] => [
      ['SET', of.latencies(name), latencies],
      ...(counts.length > 0 ? [['SET', of.counts(name), counts] satisfies Write] : []),
    ]),
  ];
  await inChunks(writes, bytesOf, ([command, key, ...args]) =>
    command === 'SET'
      ? link.send(key, [command, key, ...args, 'PX', lives])
      : runScript(link, writeExpiringScript, [key], [lives, command, ...args]),
  );
}

type Write = readonly [command: 'SET' | 'HSET' | 'ZADD', key: string, ...args: (string | Buffer)[]];

function bytesOf(write: Write): number {
  return write.reduce((bytes, argument) => bytes + argument.length, commandBytes);
}

/** What a command costs beside its arguments. */
const commandBytes = 64;

/** Pairs, 500 at a time. */
function chunked(items: readonly string[]): string[][] {
  const chunks: string[][] = [];
  for (let from = 0; from < items.length; from += 1_000) chunks.push(items.slice(from, from + 1_000));
  return chunks;
}

/** What is not removed, because this process dies or Redis goes, expires by itself; the rebuild is none the worse for it. */
async function remove(link: Pick<RedisLink, 'send'>, of: GenerationKeys | null): Promise<void> {
  if (of === null) return;
  try {
    const steps = (await link.send(of.steps, ['ZRANGE', of.steps, '0', '-1'])) as readonly string[];
    const all = [
      ...steps.flatMap((name) => [of.latencies(name), of.counts(name)]),
      ...[of.types, of.totals, of.journal, of.steps],
    ];
    await inChunks(
      chunked(all),
      (chunk) => chunk.length * removalBytes,
      (chunk) => link.send(of.types, ['UNLINK', ...chunk]),
    );
  } catch (error) {
    if (!(error instanceof UnavailableError) && replyCode(error) === null) throw error;
  }
}

/** What the removal of a key is reckoned as, beside bytes that are written. */
const removalBytes = 500;
