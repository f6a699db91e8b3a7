import type { SecureContextOptions } from 'node:tls';
import { StartupError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { MetricsStore, MetricsWatermark, RecentEvent } from '../metrics-store.ts';
import { readWindow, readWindows } from '../read-window.ts';
import { parseRedisUrl } from './address.ts';
import { applyUpdate } from './apply.ts';
import { createChanges } from './changes.ts';
import { createClusterRouter } from './cluster.ts';
import { refusalToUnavailable } from './errors.ts';
import { createKeys, type Head, isSameWatermark, parseHead } from './keys.ts';
import { createSingleLink } from './link.ts';
import { createPartitions } from './partitions.ts';
import { listPartition, rebuildPartition } from './rebuild.ts';

export interface RedisMetricsStoreOptions {
  /** redis://, rediss://, redis+cluster:// or rediss+cluster:// */
  readonly url: string;
  /** Before every key: several installations may share a Redis. */
  readonly prefix: string;
  readonly now: () => number;
  /** Beyond what rediss:// says: certificates of its own. */
  readonly tls?: SecureContextOptions;
}

/**
 * The metrics store on Redis 7 or Valkey, alone or as a cluster (docs/decisions/0007-redis-metrics.md). Starts also
 * where Redis is away: calls throw UnavailableError then, and connections come back by themselves.
 *
 * @throws StartupError for a URL or a prefix that can't be meant
 */
export async function createRedisMetricsStore(options: RedisMetricsStoreOptions): Promise<MetricsStore> {
  const { url, prefix, now } = options;
  if (!/^[\w.:-]{1,50}$/.test(prefix)) {
    throw new StartupError(`The prefix of Redis keys must be 1 to 50 of A-Z a-z 0-9 _ . : -, got "${prefix}".`);
  }
  const target = parseRedisUrl(url, options.tls);
  const link = target.cluster ? createClusterRouter(target) : createSingleLink(target);
  const keys = createKeys(prefix);
  const partitions = createPartitions({ link, keys, now });
  const changes = createChanges({ target, link, channel: keys.channel, watermarks });
  let isClosed = false;

  /** Every call: refused after close, and what Redis refuses is as if it were away. */
  async function guarded<Result>(call: () => Promise<Result>): Promise<Result> {
    if (isClosed) throw new Error('the metrics store is closed');
    try {
      return await call();
    } catch (error) {
      throw refusalToUnavailable(error);
    }
  }

  async function readHead(partition: number): Promise<{ text: string | null; head: Head | null }> {
    const key = keys.head(partition);
    const text = (await link.send(key, ['GET', key])) as string | null;
    return { text, head: parseHead(text) };
  }

  /** Without a watermark also where values are missing, so that the partition is rebuilt. */
  async function readStanding(partition: number): Promise<{ text: string | null; watermark: MetricsWatermark | null }> {
    const { text, head } = await readHead(partition);
    const isWhole = head !== null && (await partitions.isWhole(partition, head.generation));
    return { text, watermark: isWhole ? head.watermark : null };
  }

  async function partitionNumbers(): Promise<number[]> {
    return ((await link.send(keys.partitions, ['SMEMBERS', keys.partitions])) as string[]).map(Number);
  }

  async function watermarks(): Promise<ReadonlyMap<number, MetricsWatermark>> {
    const heads = await Promise.all(
      (await partitionNumbers()).map(
        async (partition) => [partition, (await readHead(partition)).head?.watermark ?? null] as const,
      ),
    );
    return new Map(heads.flatMap(([partition, watermark]) => (watermark === null ? [] : [[partition, watermark]])));
  }

  await link.started;
  return {
    apply: (update) =>
      guarded(async () => {
        await changes.settled();
        return applyUpdate({ link, keys, partitions, now }, update);
      }),

    watermark: (partition) =>
      guarded(async () => {
        const { watermark } = await readStanding(partition);
        // Also here, so that the check of an idle partition mends a list that was lost.
        if (watermark !== null) void listPartition(link, keys, partition);
        return watermark;
      }),

    rebuild: (snapshot, expected) =>
      guarded(async () => {
        await changes.settled();
        const { text, watermark: found } = await readStanding(snapshot.partition);
        if (found === null ? expected !== null : expected === null || !isSameWatermark(found, expected)) return false;
        const state = await rebuildPartition({ link, keys, now, types: partitions.types }, snapshot, text);
        if (state !== null) partitions.replace(snapshot.partition, state);
        return state !== null;
      }),

    read: (window, at) => guarded(async () => readWindow(await partitions.merged(), window, at)),

    readPartition: (partition, at) =>
      guarded(async () => {
        const whole = await partitions.readWhole(partition);
        return whole === null ? null : { watermark: whole.watermark, windows: readWindows(whole.grid, at) };
      }),

    recent: (limit) =>
      guarded(async () => {
        const most = Math.min(limit, limits.recentEventsKept);
        if (most <= 0) return [];
        const lists = await Promise.all(
          (await partitionNumbers()).map(async (partition) => {
            const key = keys.recent(partition);
            return (await link.send(key, ['ZREVRANGE', key, '0', String(most - 1)])) as readonly string[];
          }),
        );
        const events = lists.flat().map((text) => JSON.parse(text) as RecentEvent);
        return events.sort((a, b) => b.receivedAt - a.receivedAt).slice(0, most);
      }),

    subscribe(listener) {
      if (isClosed) throw new Error('the metrics store is closed');
      return changes.subscribe(listener);
    },

    async close() {
      isClosed = true;
      await Promise.all([changes.close(), link.close()]);
    },
  };
}
