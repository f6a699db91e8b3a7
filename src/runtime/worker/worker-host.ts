import { getCompileCacheDir } from 'node:module';
import { MessageChannel, Worker as Thread } from 'node:worker_threads';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { Telemetry, TelemetryEventName, TelemetryEvents } from '../../telemetry/telemetry.ts';
import { processEnvironment } from '../config/config.ts';
import { siblingModule } from './sibling-module.ts';
import { type Caller, createCaller, type Handlers, serveCalls } from './thread-channel.ts';
import type { WorkerThreadData, WorkerThreadMessage } from './worker-thread.ts';

/**
 * Keeps the worker's thread running: starts it, passes its telemetry on, and starts it anew should it end by itself. What
 * it had not committed is read from the log again, so a lost thread loses nothing.
 */
export interface WorkerHost {
  /** Resolves once the thread has opened its parts (embedded: migrations are done). Rejects with what ended a first start. */
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
  readonly data: Omit<WorkerThreadData, 'toMain' | 'fromMain'>;
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
  let isStopping = false;
  let thread: Thread;
  let caller: Caller;
  let exited: Promise<void>;
  let restartMs: number = limits.backoffMinMs;
  let refusal: StartupError | null = null;

  function start(): void {
    const toMain = new MessageChannel();
    const fromMain = new MessageChannel();
    serveCalls(toMain.port1, handlers);
    caller = createCaller(fromMain.port1);
    thread = new Thread(siblingModule('worker-thread', import.meta.url), {
      name: 'worker',
      // A thread does not inherit the compile cache: without, it strips types again in memory that stays (measured: 20 MB).
      env: { ...processEnvironment(), NODE_COMPILE_CACHE: getCompileCacheDir() ?? '' },
      workerData: { ...data, toMain: toMain.port2, fromMain: fromMain.port2 } satisfies WorkerThreadData,
      transferList: [toMain.port2, fromMain.port2],
    });
    status = { running: true, working: [], halted: new Map() };
    thread.on('message', (messages: readonly WorkerThreadMessage[]) => messages.forEach(onMessage));
    exited = new Promise((resolve) => {
      let reason: Error = new UnavailableError('worker_ended', 'the worker thread ended');
      thread.on('error', (error) => {
        reason = error instanceof Error ? error : new Error(String(error));
      });
      thread.once('exit', () => {
        resolve();
        onExit(reason);
      });
    });
  }

  function onMessage(message: WorkerThreadMessage): void {
    if (message.kind === 'telemetry') {
      const { name, payload } = message;
      telemetry.emit(name, payload as TelemetryEvents[TelemetryEventName]);
    } else if (message.kind === 'opened') {
      opened.resolve();
    } else if (message.kind === 'refused') {
      refusal = new StartupError(message.message);
    } else {
      restartMs = limits.backoffMinMs;
      status = { running: true, working: message.working, halted: message.halted };
      claimed.resolve();
    }
  }

  function onExit(reason: Error): void {
    status = { ...status, running: false, working: [] };
    if (isStopping) return;
    opened.reject(refusal ?? reason);
    const message = refusal?.message ?? reason.stack ?? reason.message;
    refusal = null;
    telemetry.emit('worker.ended', { message });
    setTimeout(() => {
      if (!isStopping) start();
    }, restartMs).unref();
    restartMs = Math.min(restartMs * 2, limits.backoffMaxMs);
  }

  start();
  return {
    opened: opened.promise,
    claimed: claimed.promise,
    status: () => status,
    async stop() {
      isStopping = true;
      if (!status.running) return;
      // A thread that ended meanwhile answers nothing; its exit is as good.
      await Promise.race([caller.call('stop').catch(() => undefined), exited]);
      await thread.terminate();
    },
  };
}
