import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { createMetricsGrid, type TypeNumbers } from '../metrics-grid.ts';
import type { MetricsSnapshot } from '../metrics-store.ts';
import { messageStart } from './changes.ts';
import { replyCode } from './errors.ts';
import { formatHead, freshGeneration, type GenerationKeys, type Keys, noType, parseHead } from './keys.ts';
import { inChunks, type RedisLink } from './link.ts';
import type { PartitionState } from './partitions.ts';
import { runScript, switchScript, writeExpiringScript } from './scripts.ts';
import {
  type GenerationTypes,
  type StepValue,
  stepValues,
  totalsValue,
  typesNamed,
  type Value,
  withTypesOf,
} from './values.ts';

export interface Rebuilding {
  readonly link: Pick<RedisLink, 'send'>;
  readonly keys: Keys;
  readonly types: TypeNumbers;
  readonly now: () => number;
}

/**
 * Writes a snapshot under a fresh generation, in small commands of which little is under way at a time, and makes it
 * the one that counts if the head's text is still `found`. Until then its keys expire soon, so a rebuild that dies
 * leaves nothing behind; afterwards the keys of the old generation do.
 *
 * @returns null when the head has changed meanwhile, or the rebuild took longer than its keys live
 */
export async function rebuildPartition(
  { link, keys, types, now }: Rebuilding,
  snapshot: MetricsSnapshot,
  found: string | null,
): Promise<PartitionState | null> {
  const { partition, watermark } = snapshot;
  const before = parseHead(found);
  const generation = freshGeneration();
  const of = keys.generation(partition, generation);
  const grid = createMetricsGrid(types);
  const startedAt = now();
  grid.load(snapshot, startedAt);
  const known = withTypesOf(typesNamed([], types), grid);
  const steps = stepValues(of, known, grid, null, startedAt);
  const values: Value[] = [totalsValue(of, known, [grid]), ...steps];
  await write(link, of, known, steps, values);
  // Before the switch: a partition that is not listed is not read.
  await listPartition(link, keys, partition);

  const old = before === null ? null : keys.generation(partition, before.generation);
  const oldKeys = old === null ? [] : lastingKeys(old);
  const lasting = [of.types, ...(steps.length > 0 ? [of.steps] : [])];
  const outcome = await runScript(
    link,
    switchScript,
    [keys.head(partition), ...oldKeys, ...lasting, ...values.map(({ key }) => key)],
    [
      found ?? '',
      formatHead(generation, before?.recentBytes ?? 0, watermark),
      String(oldKeys.length),
      String(lasting.length),
      String(limits.metricsRebuildMs),
      keys.channel,
      `${messageStart(partition, watermark)}]}`,
      ...values.map(({ expiresAt }) => (expiresAt === null ? '0' : String(expiresAt - startedAt))),
    ],
  );
  const isDone = outcome === 'switched';
  const unused = isDone ? old : of;
  if (unused !== null) await unlessUnavailable(remove(link, unused));
  return isDone
    ? { generation, types: known, sequence: 0, watermark, grid, publishedAt: Number.NEGATIVE_INFINITY }
    : null;
}

/**
 * Puts a partition on the list that readers go by. Of a cluster, the list may lie on a node that is away while the
 * partition's own is there: that must not hold up the partition, whose next check lists it.
 */
export async function listPartition(link: Pick<RedisLink, 'send'>, keys: Keys, partition: number): Promise<void> {
  await unlessUnavailable(link.send(keys.partitions, ['SADD', keys.partitions, String(partition)]));
}

async function unlessUnavailable(sent: Promise<unknown>): Promise<void> {
  try {
    await sent;
  } catch (error) {
    if (!(error instanceof UnavailableError) && replyCode(error) === null) throw error;
  }
}

/** Keys of a generation that do not expire while it counts. */
function lastingKeys(of: GenerationKeys): readonly string[] {
  return [of.types, of.totals, of.journal, of.steps];
}

async function write(
  link: Pick<RedisLink, 'send'>,
  of: GenerationKeys,
  { names }: GenerationTypes,
  steps: readonly StepValue[],
  values: readonly Value[],
): Promise<void> {
  const lives = String(limits.metricsRebuildMs);
  const types = [noType, '0', ...names.flatMap((name, number) => [name, String(number)])];
  const members = steps.flatMap(({ name, expiresAt }) => [String(expiresAt), name]);
  const writes: Write[] = [
    ...chunked(types).map((chunk): Write => ['HSET', of.types, ...chunk]),
    ...chunked(members).map((chunk): Write => ['ZADD', of.steps, ...chunk]),
    ...values.map(({ key, value }): Write => ['SET', key, value]),
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

/**
 * What is not removed, because this process dies or Redis goes, expires by itself; the rebuild is none the worse for
 * it.
 */
async function remove(link: Pick<RedisLink, 'send'>, of: GenerationKeys): Promise<void> {
  const steps = (await link.send(of.steps, ['ZRANGE', of.steps, '0', '-1'])) as readonly string[];
  await inChunks(
    chunked([...steps.map(of.step), ...lastingKeys(of)]),
    (chunk) => chunk.length * removalBytes,
    (chunk) => link.send(of.types, ['UNLINK', ...chunk]),
  );
}

/** What the removal of a key is reckoned as, beside bytes that are written. */
const removalBytes = 500;
