import { UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { LogDescription, LogReader } from '../event-log/event-log.ts';
import type { EventReader, PartitionProgress } from '../event-store/event-store.ts';
import type { MetricsStore } from '../metrics-store/metrics-store.ts';
import type { PartName, Telemetry } from '../telemetry/telemetry.ts';
import { findReplacements } from './claim-partition.ts';
import { createIdlePartitions } from './idle-partitions.ts';

/**
 * What a process that serves HTTP knows of the parts behind it: whether each of them answers, whether the log is the
 * one that the store belongs to, and whether anybody works on what is in it. Each part is asked in a loop of its own,
 * so that one that is silent does not hide another.
 */
export interface PartsWatch {
  /** Resolves when every part has answered, or failed to, once. */
  readonly looked: Promise<void>;
  /** Why the log is not the one that the store belongs to; null as far as is known. */
  replaced(): string | null;
  /** Part → what it said last, while it does not answer. */
  away(): ReadonlyMap<PartName, string>;
  /** Partitions of the log that no worker has ever claimed. Empty while that is not known. */
  unclaimed(): readonly number[];
  /** Partitions whose records wait although nobody has moved them for a while. */
  idle(): readonly number[];
  stop(): Promise<void>;
}

export interface PartsWatchOptions {
  readonly log: Pick<LogReader, 'describe' | 'recordAt'>;
  readonly store: Pick<EventReader, 'progress' | 'ledger'>;
  readonly metrics: Pick<MetricsStore, 'watermark'>;
  readonly telemetry: Telemetry;
  readonly elapsed: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told when it finds the log to be another one, or the right one again. */
  readonly onReplaced?: (isReplaced: boolean) => void;
  /** How often the records that progress was made on are looked at, beside the log's id and its ends. */
  readonly recordsCheckEveryMs?: number;
}

export function createPartsWatch(options: PartsWatchOptions): PartsWatch {
  const { log, store, metrics, telemetry, elapsed } = options;
  const recordsCheckEveryMs = options.recordsCheckEveryMs ?? limits.logRecordsCheckEveryMs;
  const stopping = new AbortController();
  const away = new Map<PartName, { readonly reason: string; readonly since: number }>();
  const idlePartitions = createIdlePartitions(limits.workerSilentMs);
  let description: LogDescription | null = null;
  let progress: readonly PartitionProgress[] | null = null;
  let replaced: string | null = null;
  /** When the log's records were compared with what the store knows of them; null: due, since something was away. */
  let comparedAt: number | null = null;
  let idle: readonly number[] = [];

  async function watch(part: PartName, ask: () => Promise<void>, afterFirst: () => void): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await ask();
        markBack(part);
      } catch (error) {
        if (stopping.signal.aborted) return;
        // A bug as well: it must not end the watch, and is told.
        markAway(part, error);
      } finally {
        afterFirst();
      }
      await options.pause(limits.partsWatchEveryMs, stopping.signal).catch(() => undefined);
    }
  }

  function markAway(part: PartName, error: unknown): void {
    const reason = error instanceof UnavailableError ? error.message : String(error);
    const since = away.get(part)?.since ?? elapsed();
    if (!away.has(part)) telemetry.emit('part.away', { part, reason });
    away.set(part, { reason, since });
    if (part !== 'metrics') forget();
  }

  function markBack(part: PartName): void {
    const was = away.get(part);
    if (was === undefined) return;
    away.delete(part);
    telemetry.emit('part.back', { part, awayMs: elapsed() - was.since });
  }

  /** What comes back may be another log, or an older copy of the store; and nobody can work meanwhile. */
  function forget(): void {
    comparedAt = null;
    idle = [];
    idlePartitions.forget();
  }

  async function askLog(): Promise<void> {
    description = await log.describe();
  }

  async function askStore(logAsked: Promise<void>): Promise<void> {
    progress = await store.progress(storeConsumer);
    await logAsked;
    if (description === null || away.has('log')) return;
    idle = idlePartitions.look(description, progress, elapsed());
    const isDue = comparedAt === null || elapsed() - comparedAt >= recordsCheckEveryMs;
    if (isDue || replaced !== null || looksReplaced(description, progress)) await compare();
  }

  async function compare(): Promise<void> {
    let message: string | null;
    try {
      message = (await findReplacements(log, store, storeConsumer))[0] ?? null;
    } catch (error) {
      // Nothing was learned. Who does not answer is told by its own loop.
      if (error instanceof UnavailableError) return;
      throw error;
    }
    comparedAt = elapsed();
    const isNews = (message === null) !== (replaced === null);
    replaced = message;
    if (!isNews) return;
    if (message === null) telemetry.emit('log.recognised', { logId: description?.logId ?? '' });
    else telemetry.emit('log.replaced', { message });
    options.onReplaced?.(message !== null);
  }

  const firsts = {
    log: Promise.withResolvers<void>(),
    store: Promise.withResolvers<void>(),
    metrics: Promise.withResolvers<void>(),
  };
  const loops = [
    watch('log', askLog, firsts.log.resolve),
    watch('store', () => askStore(firsts.log.promise), firsts.store.resolve),
    watch('metrics', async () => void (await metrics.watermark(0)), firsts.metrics.resolve),
  ];

  return {
    looked: Promise.all(Object.values(firsts).map(({ promise }) => promise)).then(() => undefined),
    replaced: () => replaced,
    away: () => new Map([...away].map(([part, { reason }]) => [part, reason])),
    unclaimed() {
      if (description === null || progress === null || replaced !== null) return [];
      const claimed = new Set(progress.map(({ partition }) => partition));
      return description.partitions.map(({ partition }) => partition).filter((partition) => !claimed.has(partition));
    },
    idle: () => (replaced === null ? idle : []),
    async stop() {
      stopping.abort(new Error('the watch stops'));
      await Promise.all(loops);
    },
  };
}

/** Asked of two answers that were not given at one moment: a suspicion, to be confirmed. */
function looksReplaced({ logId, partitions }: LogDescription, progress: readonly PartitionProgress[]): boolean {
  const ends = new Map(partitions.map(({ partition, end }) => [partition, end]));
  return progress.some((row) => row.logId !== logId || (ends.get(row.partition) ?? -1) < row.nextOffset);
}
