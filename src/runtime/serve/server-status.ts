import type { Readiness } from '../../http/dependencies.ts';
import type { ClosedCode } from '../../ingest/ingest-answer.ts';
import type { PartsWatch } from '../../processing/parts-watch.ts';
import type { PartName } from '../../telemetry/telemetry.ts';
import type { LatePart } from '../compose/late-part.ts';
import type { ServerParts } from '../compose/parts.ts';
import type { WorkerHost } from '../worker/worker-host.ts';
import type { Gate } from './gate.ts';
import type { HttpThreads } from './http-threads.ts';
import {
  awayReasons,
  closedReason,
  httpThreadReasons,
  oneWorkerReasons,
  sharedWorkReasons,
  soleWorkerReasons,
  toReadiness,
} from './readiness.ts';

/** What a process that serves says of itself. */
export interface ServerStatus {
  /** Null: events are taken in. */
  whyClosed(): ClosedCode | null;
  readiness(): Readiness;
  /** The threads that serve HTTP beside this one, from when they are started. */
  include(threads: Pick<HttpThreads, 'down' | 'waiting'>): void;
}

export interface ServerStatusOptions {
  readonly parts: Pick<ServerParts, 'isShared' | 'freeDisk'>;
  /** Those that may not be open yet. */
  readonly lateParts: Readonly<Partial<Record<PartName, Pick<LatePart<unknown>, 'problem'>>>>;
  readonly gate: Pick<Gate, 'closed'>;
  readonly watch: Pick<PartsWatch, 'replaced' | 'away' | 'unclaimed' | 'idle'>;
  /** Null where workers run elsewhere. */
  readonly workerHost: Pick<WorkerHost, 'status'> | null;
  readonly isStopping: () => boolean;
}

export function createServerStatus(options: ServerStatusOptions): ServerStatus {
  const { parts, lateParts, gate, watch, workerHost } = options;
  const ofWorker = parts.isShared ? oneWorkerReasons : soleWorkerReasons;
  let threads: Pick<HttpThreads, 'down' | 'waiting'> = { down: () => 0, waiting: () => [] };

  /**
   * Why the log is not the one that the store belongs to, by what was read here or by what the worker here has found.
   */
  function replacedLog(): string | null {
    const halted = [...(workerHost?.status().halted.values() ?? [])];
    return watch.replaced() ?? halted.find(({ reason }) => reason === 'log_replaced')?.message ?? null;
  }

  function whyClosed(): ClosedCode | null {
    const code = gate.closed();
    if (code !== null) return code;
    if (parts.freeDisk?.isFull()) return 'disk_full';
    return replacedLog() === null ? null : 'log_replaced';
  }

  return {
    whyClosed,
    readiness() {
      const ofMain = Object.entries(lateParts).map(([part, late]) => [part as PartName, late.problem()] as const);
      return toReadiness([
        ...closedReason(options.isStopping() ? 'shutting_down' : whyClosed(), replacedLog()),
        ...awayReasons([...ofMain, ...threads.waiting()], watch.away(), ['log']),
        ...(parts.isShared ? sharedWorkReasons(watch) : []),
        ...(workerHost === null ? [] : ofWorker(workerHost.status())),
        ...httpThreadReasons(threads.down()),
      ]);
    },
    include(started) {
      threads = started;
    },
  };
}
