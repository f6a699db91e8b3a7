import { getCompileCacheDir } from 'node:module';
import { MessageChannel, type MessagePort, Worker as Thread } from 'node:worker_threads';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { processEnvironment } from '../config/config.ts';
import { type Caller, createCaller, type Handlers, serveCalls } from './thread-channel.ts';

/** What every kept thread is handed beside its own data. */
export interface ThreadPorts {
  /** Calls from the thread to the main one. */
  readonly toMain: MessagePort;
  /** Calls from the main thread to this one. It must serve `stop`. */
  readonly fromMain: MessagePort;
}

/**
 * A thread that is kept running: should it end by itself it is started anew, after a while that doubles each time until
 * it is marked healthy.
 */
export interface KeptThread {
  isRunning(): boolean;
  call<T>(name: string, ...args: unknown[]): Promise<T>;
  /** It does its work: should it end, the next one is started soon. */
  markHealthy(): void;
  /** Calls `stop` in the thread, and ends it when that is done. */
  stop(): Promise<void>;
}

export interface KeptThreadOptions<Message> {
  /** What the system shows as the thread's name. */
  readonly name: string;
  readonly module: URL;
  readonly data: object;
  /** What the thread may call. */
  readonly handlers: Handlers;
  readonly onStart?: () => void;
  /** What it posts are lists (`createOutbox`). */
  readonly onMessage: (message: Message) => void;
  /** @param reason null where it was stopped */
  readonly onExit: (reason: Error | null) => void;
}

export function keepThread<Message>(options: KeptThreadOptions<Message>): KeptThread {
  let isStopping = false;
  let isRunning = false;
  let thread: Thread;
  let caller: Caller;
  let exited: Promise<void>;
  let restartMs: number = limits.backoffMinMs;

  function start(): void {
    const toMain = new MessageChannel();
    const fromMain = new MessageChannel();
    serveCalls(toMain.port1, options.handlers);
    caller = createCaller(fromMain.port1);
    thread = new Thread(options.module, {
      name: options.name,
      // A thread does not inherit the compile cache: without, it strips types again in memory that stays (measured: 20
      // MB).
      env: { ...processEnvironment(), NODE_COMPILE_CACHE: getCompileCacheDir() ?? '' },
      workerData: { ...options.data, toMain: toMain.port2, fromMain: fromMain.port2 },
      transferList: [toMain.port2, fromMain.port2],
    });
    isRunning = true;
    options.onStart?.();
    thread.on('message', (messages: readonly Message[]) => messages.forEach(options.onMessage));
    exited = new Promise((resolve) => {
      let reason: Error | null = null;
      thread.on('error', (error) => {
        reason = error instanceof Error ? error : new Error(String(error));
      });
      thread.once('exit', (code) => {
        isRunning = false;
        resolve();
        const gone = `the ${options.name} thread ended with code ${code}`;
        options.onExit(isStopping ? null : (reason ?? new UnavailableError('thread_gone', gone)));
        if (!isStopping) startLater();
      });
    });
  }

  function startLater(): void {
    setTimeout(() => {
      if (!isStopping) start();
    }, restartMs).unref();
    restartMs = Math.min(restartMs * 2, limits.backoffMaxMs);
  }

  start();
  return {
    isRunning: () => isRunning,
    call: (name, ...args) => caller.call(name, ...args),
    markHealthy() {
      restartMs = limits.backoffMinMs;
    },
    async stop() {
      isStopping = true;
      if (!isRunning) return;
      // A thread that ended meanwhile answers nothing; its exit is as good.
      await Promise.race([caller.call('stop').catch(() => undefined), exited]);
      await thread.terminate();
    },
  };
}
