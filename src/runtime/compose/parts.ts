import type { Clocks } from '../../domain/clocks.ts';
import type { OffsetRange } from '../../domain/event.ts';
import type { EventLog, LogAppender, LogReader } from '../../event-log/event-log.ts';
import type { FailedTopic } from '../../event-log/failed-topic.ts';
import type { Discrepancy, EventStore } from '../../event-store/event-store.ts';
import type { MetricsStore, MetricsWriter } from '../../metrics-store/metrics-store.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { ProductionConfig } from '../config/config.production.ts';
import type { Lifecycle } from '../serve/lifecycle.ts';
import type { Caller, Handlers } from '../threads/thread-channel.ts';
import type { FreeDisk } from './free-disk.ts';
import type { LatePart } from './late-part.ts';

/** What everything is opened with. */
export interface Surroundings extends Clocks {
  readonly telemetry: Telemetry;
  readonly lifecycle: Lifecycle;
}

/** What a process that serves HTTP works with. Each part is there, or not yet. */
export interface ServerParts {
  readonly log: LatePart<EventLog>;
  readonly metrics: LatePart<MetricsStore>;
  /**
   * @param workerOpened the worker's thread has opened its parts: embedded, it is what makes the store and migrates it
   */
  openStore(workerOpened: Promise<void>): LatePart<EventStore>;
  /** Compares the store with itself, without holding up what this process does. */
  verifyStore(store: EventStore): Promise<readonly Discrepancy[]>;
  /** A metrics store to compare the other one with: empty, and right by definition. */
  createReference(): MetricsStore;
  /** For a worker in a thread of this process: what it opens its own parts from, and what it may call here. */
  readonly worker: { readonly source: WorkerSource; readonly handlers: Handlers };
  /** Null where the data lies on other machines. */
  readonly freeDisk: FreeDisk | null;
  /** Other processes use these parts too: they may replace the log, work on it, and leave jobs behind. */
  readonly isShared: boolean;
}

/** From what a worker opens its parts. Plain data: it is handed to a thread. */
export type WorkerSource =
  | {
      readonly kind: 'embedded';
      readonly logDirectory: string;
      readonly storePath: string;
      readonly partitions: number;
      /** The log's marks, which the handle in the main thread keeps. */
      readonly shared: SharedArrayBuffer;
      readonly givenUp: readonly OffsetRange[];
    }
  | { readonly kind: 'production'; readonly production: ProductionConfig };

export interface WorkerSettings {
  readonly eventTypesMax: number;
  readonly retentionMs: number | null;
  readonly logRetentionMs: number;
  readonly maintenanceEveryMs: number;
}

/** What a worker works with. */
export interface WorkerParts {
  readonly log: LogReader;
  readonly store: EventStore;
  /**
   * How many writers the store has, each with a batch at a time and its share of the partitions; null: as many batches
   * as there are.
   */
  readonly storeWriters: number | null;
  /** How long it rests between batches that are not full, over what the last one took. */
  readonly restFactor: number;
  /** May be away: nothing waits for it. */
  readonly metrics: MetricsWriter;
  /** Null: there is none, the inbox is where failed events are. */
  readonly failedTopic: { readonly topic: Pick<FailedTopic, 'publish'>; readonly originTopic: string } | null;
  /** Null where the log removes by itself what is old. */
  readonly trim: LogAppender['trim'] | null;
}

/** A worker's parts while they are being opened. */
export interface WorkerPartsOpening {
  /** Settles with the first try of each: rejects where waiting is no help. */
  readonly firstTry: Promise<void>;
  /** Resolves once there is all that a worker can't do without. */
  readonly opened: Promise<WorkerParts>;
  /** Whatever is open by then, after the worker has stopped. */
  close(): Promise<void>;
}

export interface WorkerOpening extends Clocks {
  readonly source: WorkerSource;
  readonly settings: WorkerSettings;
  readonly telemetry: Telemetry;
  /** The main thread, where the worker runs in one of its own. */
  readonly main: Caller | null;
}
