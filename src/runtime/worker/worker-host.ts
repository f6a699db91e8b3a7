import { StartupError } from '../../domain/failure.ts';
import {
  type Telemetry,
  type TelemetryEventName,
  type TelemetryEvents,
  workerThread,
} from '../../telemetry/telemetry.ts';
import { keepThread, type ThreadPorts } from '../threads/kept-thread.ts';
import { siblingModule } from '../threads/sibling-module.ts';
import type { Handlers } from '../threads/thread-channel.ts';
import type { WorkerThreadData, WorkerThreadMessage } from './worker-thread.ts';

/**
 * Keeps the worker's thread running and passes its telemetry on. What a thread that ended by itself had not committed
 * is read from the log again, so it loses nothing.
 */
export interface WorkerHost {
  /**
   * Resolves once the thread has opened its parts (embedded: migrations are done). Rejects with what ended a first
   * start.
   */
  readonly opened: Promise<void>;
  /** Resolves once partitions were claimed for the first time. */
  readonly claimed: Promise<void>;
  status(): WorkerStatus;
  stop(): Promise<void>;
}

export interface WorkerStatus {
  readonly running: boolean;
  readonly working: readonly number[];
  readonly halted: ReadonlyMap<number, { readonly reason: string; readonly message: string }>;
}

export interface WorkerHostOptions {
  readonly data: Omit<WorkerThreadData, keyof ThreadPorts>;
  /** What the thread may call: metrics and trimming. */
  readonly handlers: Handlers;
  readonly telemetry: Telemetry;
}

export function startWorkerHost({ data, handlers, telemetry }: WorkerHostOptions): WorkerHost {
  const opened = Promise.withResolvers<void>();
  const claimed = Promise.withResolvers<void>();
  // A caller may wait for one of them only.
  for (const { promise } of [opened, claimed]) promise.catch(() => undefined);
  let status: WorkerStatus = { running: false, working: [], halted: new Map() };
  let refusal: StartupError | null = null;

  function onMessage(message: WorkerThreadMessage): void {
    if (message.kind === 'telemetry') {
      const { name, payload } = message;
      // The main thread opens the same parts for itself.
      const told = name.startsWith('part.') ? { ...(payload as object), thread: workerThread } : payload;
      telemetry.emit(name, told as TelemetryEvents[TelemetryEventName]);
    } else if (message.kind === 'opened') {
      opened.resolve();
    } else if (message.kind === 'refused') {
      refusal = new StartupError(message.message);
    } else {
      thread.markHealthy();
      status = { running: true, working: message.working, halted: message.halted };
      claimed.resolve();
    }
  }

  const thread = keepThread<WorkerThreadMessage>({
    name: workerThread,
    module: siblingModule('worker-thread', import.meta.url),
    data,
    handlers,
    onMessage,
    onStart() {
      status = { running: true, working: [], halted: new Map() };
    },
    onExit(reason) {
      status = { ...status, running: false, working: [] };
      if (reason === null) return;
      opened.reject(refusal ?? reason);
      const message = refusal?.message ?? reason.stack ?? reason.message;
      refusal = null;
      telemetry.emit('worker.ended', { message });
    },
  });

  return {
    opened: opened.promise,
    claimed: claimed.promise,
    status: () => status,
    stop: () => thread.stop(),
  };
}
