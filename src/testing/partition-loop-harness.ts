import { randomUUID } from 'node:crypto';
import type { GapFinding, LogBatch, LogStream } from '../event-log/event-log.ts';
import type { EventStore, PartitionProgress } from '../event-store/event-store.ts';
import type { MetricsUpdate, MetricsWatermark } from '../metrics-store/metrics-store.ts';
import type { MaintenanceEnd } from '../processing/maintenance.ts';
import {
  type CrashPoint,
  type LoopEnd,
  type PartitionLoopOptions,
  runPartitionLoop,
} from '../processing/partition-loop.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { claimOf, startAt } from './event-store.batches.ts';
import { recordsOf } from './records-of.ts';
import { temporaryStore } from './temporary-store.ts';

/** What a stream hands out: records with the offsets and values given, and the end it knows. */
export interface ScriptedBatch {
  readonly records: readonly (readonly [offset: number, value: Uint8Array])[];
  readonly end?: number;
}

export interface LoopRun {
  readonly end: LoopEnd;
  readonly progress: PartitionProgress;
  /** What was done, in order: `commit 0..3`, `push`, `rebuild`, `acknowledge 3`, `examine 3..5`, `maintain`. */
  readonly journal: readonly string[];
  readonly pushed: readonly MetricsUpdate[];
  readonly rebuilt: readonly MetricsWatermark[];
  readonly told: readonly Told[];
}

export type Told = {
  [Name in keyof TelemetryEvents]: { readonly name: Name; readonly payload: TelemetryEvents[Name] };
}[keyof TelemetryEvents];

/** One partition of a real store, and a loop over a stream that does as the test says. */
export async function loopHarness({ logStart = 0 } = {}) {
  const store = await temporaryStore();
  const claimed = await store.claim(claimOf(0, logStart));
  const stop = new AbortController();

  /** Runs until the loop ends by itself; or until the stream has nothing more, which stops it. */
  async function run(
    batches: readonly ScriptedBatch[],
    script: {
      readonly from?: PartitionProgress;
      readonly logStart?: number;
      readonly gaps?: readonly GapFinding[];
      readonly store?: (real: EventStore, journal: string[]) => Partial<EventStore>;
      readonly atPoint?: (point: CrashPoint, journal: string[]) => void;
      readonly options?: Partial<PartitionLoopOptions>;
      readonly maintained?: (progress: PartitionProgress) => Promise<MaintenanceEnd> | MaintenanceEnd;
    } = {},
  ): Promise<LoopRun> {
    const journal: string[] = [];
    const pushed: MetricsUpdate[] = [];
    const rebuilt: MetricsWatermark[] = [];
    const told: Told[] = [];
    const telemetry = createTelemetry();
    telemetry.onAny((name, payload) => told.push({ name, payload } as Told));
    const gaps = [...(script.gaps ?? [])];
    const scripted = script.store?.(store, journal) ?? {};

    const options: PartitionLoopOptions = {
      log: {
        async examineGap(_partition, from, to) {
          journal.push(`examine ${from}..${to}`);
          const finding = gaps.shift();
          if (finding === undefined) throw new Error(`nobody expected a gap from ${from} to ${to}`);
          return finding;
        },
      },
      store: {
        ...store,
        async commit(request, decide) {
          const result = await (scripted.commit ?? store.commit)(request, decide);
          if (result.kind === 'committed') journal.push(`commit ${request.expectedOffset}..${request.nextOffset}`);
          return result;
        },
      },
      feed: {
        push: (update) => {
          journal.push('push');
          pushed.push(update);
        },
        rebuildTo: (_partition, watermark) => {
          journal.push('rebuild');
          rebuilt.push(watermark);
        },
        claimed: () => undefined,
        rebuildHalted: () => undefined,
        check: () => undefined,
        settle: async () => undefined,
      },
      maintenance: {
        async run(progress) {
          journal.push('maintain');
          return script.maintained?.(progress) ?? { commitToken: progress.commitToken };
        },
      },
      telemetry,
      now: () => startAt,
      elapsed: () => performance.now(),
      random: () => 0,
      freshToken: randomUUID,
      pause: async (_ms, signal) => signal.throwIfAborted(),
      pace: { tick: async () => undefined, rest: () => undefined },
      batchLimits: { recordsMax: 100, bytesMax: 1_000_000 },
      idleMs: 2_000,
      atPoint: (point) => script.atPoint?.(point, journal),
      ...script.options,
    };
    const stream = scriptedStream(batches, journal, stop);
    const from = script.from ?? claimed;
    const end = await runPartitionLoop(options, stream, from, script.logStart ?? logStart, stop.signal);
    const [progress] = await store.progress(claimed.consumer);
    return { end, progress: progress!, journal, pushed, rebuilt, told };
  }

  return { store, claimed, run, stop };
}

/** Hands the batches out, one a call, and then stops the loop. */
function scriptedStream(batches: readonly ScriptedBatch[], journal: string[], stop: AbortController): LogStream {
  const left = [...batches];
  return {
    untilRecords: async () => left.length > 0 && left[0]!.records.length > 0,
    async next(partition, _limits, idleMs): Promise<LogBatch> {
      if (idleMs !== 0) throw new Error('the loop has waited already');
      const batch = left.shift();
      if (batch === undefined) {
        stop.abort(new Error('the test has no more batches'));
        throw stop.signal.reason;
      }
      const records = recordsOf(partition, batch.records);
      return {
        partition,
        records,
        end: batch.end ?? (records.at(-1)?.offset ?? -1) + 1,
        acknowledge(nextOffset) {
          journal.push(`acknowledge ${nextOffset}`);
          // The memory of what is done is somebody else's by now.
          for (const { bytes } of records) bytes.fill(0xee);
        },
      };
    },
    close: async () => undefined,
  };
}
