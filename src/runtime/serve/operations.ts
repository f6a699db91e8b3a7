import type { Clocks } from '../../domain/clocks.ts';
import { UnavailableError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { limits } from '../../domain/limits.ts';
import type { LogReader } from '../../event-log/event-log.ts';
import type { EventStore } from '../../event-store/event-store.ts';
import type { Operations } from '../../http/dependencies.ts';
import type { MetricsStore } from '../../metrics-store/metrics-store.ts';
import { readLedger } from '../../processing/ledger.ts';
import { createOutcomeWait } from '../../processing/outcome-wait.ts';
import { pause } from '../../processing/pause.ts';
import { createProgressWatch } from '../../processing/progress-watch.ts';
import type { Redrive } from '../../processing/redrive.ts';
import { cachedFor, oldestUnreadReceivedAt } from '../../processing/unread.ts';

export interface OperationsParts extends Clocks {
  readonly log: LogReader;
  readonly store: EventStore;
  readonly metrics: MetricsStore;
  readonly redrive: Redrive;
  /** Partition → why the worker of this process has stopped working on it. */
  readonly halted: () => ReadonlyMap<number, { readonly message: string }>;
  readonly verify: Operations['verify'];
}

/** Puts what the API does beyond reading one port together. */
export function createOperations(parts: OperationsParts): Operations {
  const { log, store, metrics, redrive, now, elapsed } = parts;

  const lagSeconds = cachedFor(limits.lagReadEveryMs, elapsed, async () => {
    const receivedAt = await oldestUnreadReceivedAt(log, await store.progress(storeConsumer));
    return receivedAt === null ? 0 : Math.max(0, (now() - receivedAt) / 1000);
  });

  async function rebuildMetrics(): Promise<number> {
    const rows = await store.progress(storeConsumer);
    const left = rows.map(({ partition }) => partition);
    // Several at a time: while one is added up here, the store reads another.
    const rebuildSome = async () => {
      for (let partition = left.shift(); partition !== undefined; partition = left.shift()) {
        if (await rebuildPartition(partition)) continue;
        throw new UnavailableError(
          'metrics_unavailable',
          `Partition ${partition} stores batches faster than its metrics can be made anew beside them: try again when it is quieter. Where they differ from the store, its worker makes them anew by itself.`,
        );
      }
    };
    await Promise.all(Array.from({ length: limits.rebuildAtOnceMax }, rebuildSome));
    return rows.length;
  }

  async function rebuildPartition(partition: number): Promise<boolean> {
    // A batch may land between the look and the switch; then the look is taken again.
    for (let tries = 0; tries < limits.rebuildTriesMax; tries += 1) {
      const expected = await metrics.watermark(partition);
      const snapshot = await store.partitionMetrics(storeConsumer, partition, now());
      if (snapshot === null || (await metrics.rebuild(snapshot, expected))) return true;
    }
    return false;
  }

  return {
    async ledger() {
      const ledger = await readLedger(store, log, now());
      return {
        ...ledger,
        halted: new Map([...parts.halted()].map(([partition, { message }]) => [partition, message])),
      };
    },
    lagSeconds,
    waitForOutcomes: createOutcomeWait({
      store,
      watch: createProgressWatch({ store, metrics, pause }),
      pause,
    }),
    redrive: (request) => redrive.start(request),
    verify: parts.verify,
    rebuildMetrics,
  };
}
