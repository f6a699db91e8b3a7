import type { EventReader, InboxWriter } from '../event-store/event-store.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { MetricsStore } from '../metrics-store/metrics-store.ts';
import type { Ledger } from '../processing/ledger.ts';
import type { WaitForOutcomes } from '../processing/outcome-wait.ts';
import type { RedriveRequest, RedriveStarted } from '../processing/redrive.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Admission } from './admission.ts';

/** Everything the HTTP app is made from. It opens nothing itself and can be injected without a socket. */
export interface HttpDependencies {
  readonly ingest: Ingest;
  readonly store: EventReader & InboxWriter;
  readonly metrics: MetricsStore;
  readonly operations: Operations;
  readonly telemetry: Telemetry;
  /** Prometheus text exposition, with its content type. */
  readonly prometheus: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Of the whole process, whichever of its threads is asked. */
  readonly readiness: () => Readiness | Promise<Readiness>;
  /**
   * From then on a connection ends with its next answer, so that clients look for another server while this one still
   * serves.
   */
  readonly isStopping: () => boolean;
  readonly options: HttpOptions;
  /** By how busy this thread is, unless a test says otherwise. */
  readonly admission?: Admission;
}

export interface HttpOptions {
  readonly version: string;
  /** Names that the Host header may carry (without port), lower case; loopback names by default. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may change things, beside the one that a request came to; none by default. */
  readonly allowedOrigins: readonly string[];
  /** The built dashboard; null where there is none, and /dashboard then says how to build it. */
  readonly dashboardDir: string | null;
}

export interface Readiness {
  readonly ready: boolean;
  /** What is missing, and the command that mends it. */
  readonly reasons: readonly { readonly code: string; readonly message: string }[];
}

/** What the API does beyond reading one port: made in runtime/ from processing/. */
export interface Operations {
  ledger(): Promise<Ledger & { readonly halted: ReadonlyMap<number, string> }>;
  /** Seconds, over partitions the oldest; 0 when nothing waits. Read at most once a second. */
  lagSeconds(): Promise<number>;
  readonly waitForOutcomes: WaitForOutcomes;
  /** Starts a job, or (dryRun) only counts. Ids that are not open are left out and counted in `skipped`. */
  redrive(request: RedriveRequest): Promise<RedriveStarted>;
  verify(): Promise<readonly { readonly code: string; readonly message: string }[]>;
  /** Rebuilds every partition's metrics from the store. Answers the number of partitions. */
  rebuildMetrics(): Promise<number>;
}

export type { RedriveRequest, RedriveStarted };
