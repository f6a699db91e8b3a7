import type { Readiness } from '../../http/dependencies.ts';
import type { QueueSize } from '../../ingest/append-queue.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { type KeptThread, keepThread, type ThreadPorts } from '../threads/kept-thread.ts';
import { siblingModule } from '../threads/sibling-module.ts';
import type { HttpThreadData, HttpThreadMessage } from './http-thread.ts';
import { announceTold } from './thread-telling.ts';

/**
 * The threads that serve HTTP beside the main one. Each is an API of its own, with connections of its own to the log, the store
 * and the metrics, and listens at the same port: the system hands each connection to one of them. What is told of the whole
 * process, its readiness and its metrics, they ask of the main thread, and what happens in them they tell it.
 */
export interface HttpThreads {
  /** Those that run listen at the port, and so do those that are started anew. Resolves when each has listened once. */
  listen(port: number): Promise<void>;
  /** How many do not listen, though they should. */
  down(): number;
  /** What waits for the log in all threads, beside what waits in this one. */
  withQueues(own: QueueSize): Promise<QueueSize>;
  /** Resolves when they have answered what they had under way. */
  stop(): Promise<void>;
}

export interface HttpThreadsOptions {
  readonly count: number;
  readonly data: Omit<HttpThreadData, keyof ThreadPorts>;
  readonly handlers: {
    readonly readiness: () => Promise<Readiness>;
    readonly prometheus: () => Promise<{ readonly contentType: string; readonly body: string }>;
  };
  readonly telemetry: Telemetry;
  /** What they run, for tests. */
  readonly module?: URL;
}

interface HttpThread {
  readonly kept: KeptThread;
  readonly listened: Promise<void>;
  isListening(): boolean;
  /** Once the port is known. */
  listen(): void;
}

export function startHttpThreads({ count, data, handlers, telemetry, ...options }: HttpThreadsOptions): HttpThreads {
  const { module = siblingModule('http-thread', import.meta.url) } = options;
  let port: number | null = null;
  const threads = Array.from({ length: count }, (_, index) => start(index + 1));

  function start(thread: number): HttpThread {
    const listened = Promise.withResolvers<void>();
    let state: 'starting' | 'open' | 'listening' = 'starting';

    function listen(): void {
      if (state !== 'open' || port === null) return;
      // Where it can't, it ends, which is told then.
      kept.call('listen', port).then(
        () => {
          state = 'listening';
          kept.markHealthy();
          listened.resolve();
        },
        () => undefined,
      );
    }

    function onMessage(message: HttpThreadMessage): void {
      if (message.kind !== 'opened') {
        announceTold(telemetry, thread, message);
        return;
      }
      state = 'open';
      listen();
    }

    const kept = keepThread<HttpThreadMessage>({
      name: `http ${thread}`,
      module,
      data,
      handlers,
      onMessage,
      onExit(reason) {
        state = 'starting';
        if (reason !== null) telemetry.emit('http_thread.ended', { thread, message: reason.stack ?? reason.message });
      },
    });
    return { kept, listened: listened.promise, isListening: () => state === 'listening', listen };
  }

  async function queueOf({ kept }: HttpThread): Promise<QueueSize> {
    try {
      return await kept.call<QueueSize>('queue');
    } catch {
      // It has ended, and its queue with it.
      return { records: 0, bytes: 0 };
    }
  }

  return {
    async listen(at) {
      port = at;
      for (const thread of threads) thread.listen();
      await Promise.all(threads.map(({ listened }) => listened));
    },
    down: () => (port === null ? 0 : threads.filter(({ isListening }) => !isListening()).length),
    async withQueues(own) {
      const all = [own, ...(await Promise.all(threads.filter(({ isListening }) => isListening()).map(queueOf)))];
      return {
        records: all.reduce((sum, { records }) => sum + records, 0),
        bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    },
    async stop() {
      await Promise.all(threads.map(({ kept }) => kept.stop()));
    },
  };
}
