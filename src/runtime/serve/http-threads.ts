import { tellFailure } from '../../domain/failure.ts';
import type { Readiness } from '../../http/dependencies.ts';
import type { QueueSize } from '../../ingest/append-queue.ts';
import type { PartName, Telemetry, TelemetryEventName, TelemetryEvents } from '../../telemetry/telemetry.ts';
import { type KeptThread, keepThread, type ThreadPorts } from '../threads/kept-thread.ts';
import { siblingModule } from '../threads/sibling-module.ts';
import type { HttpThreadData, HttpThreadMessage } from './http-thread.ts';
import { announceTold } from './thread-telling.ts';

/**
 * The threads that serve HTTP beside the main one. Each is an API of its own, with connections of its own to the log,
 * the store and the metrics, and listens at the same port: the system hands each connection to one of them. What is
 * told of the whole process, its readiness and its metrics, they ask of the main thread, and what happens in them they
 * tell it.
 */
export interface HttpThreads {
  /** Those that run listen at the port, and so do those that are started anew. Resolves when each has listened once. */
  listen(port: number): Promise<void>;
  /** How many do not listen, though they should: those that are not open yet, or can't open the log. */
  down(): number;
  /** Parts that those which listen have not opened, and why. */
  waiting(): readonly (readonly [part: PartName, reason: string])[];
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
  /** Part → why it is not open there. */
  readonly waiting: ReadonlyMap<PartName, string>;
  isListening(): boolean;
  /** Once the port is known. */
  listen(): void;
}

export function startHttpThreads({ count, data, handlers, telemetry, ...options }: HttpThreadsOptions): HttpThreads {
  const { module = siblingModule('http-thread', import.meta.url) } = options;
  let port: number | null = null;
  let isStopping = false;
  const threads = Array.from({ length: count }, (_, index) => start(`http ${index + 1}`));
  const listening = () => threads.filter(({ isListening }) => isListening());

  function start(name: string): HttpThread {
    const listened = Promise.withResolvers<void>();
    const waiting = new Map<PartName, string>();
    let state: 'starting' | 'open' | 'listening' = 'starting';

    function listen(): void {
      if (state !== 'open' || port === null || isStopping) return;
      // Where it can't, it ends, which is told then.
      kept.call('listen', port).then(
        () => {
          if (!kept.isRunning()) return;
          state = 'listening';
          kept.markHealthy();
          listened.resolve();
        },
        () => undefined,
      );
    }

    function onMessage(message: HttpThreadMessage): void {
      if (message.kind === 'opened') {
        state = 'open';
        listen();
        return;
      }
      if (message.kind === 'telemetry') followParts(message.name, message.payload);
      announceTold(telemetry, name, message);
    }

    function followParts(event: TelemetryEventName, payload: object): void {
      if (event === 'part.opened') waiting.delete((payload as TelemetryEvents['part.opened']).part);
      if (event !== 'part.waiting') return;
      const { part, reason } = payload as TelemetryEvents['part.waiting'];
      waiting.set(part, reason);
    }

    const kept = keepThread<HttpThreadMessage>({
      name,
      module,
      data,
      handlers,
      onMessage,
      onExit(reason) {
        state = 'starting';
        waiting.clear();
        if (reason !== null) telemetry.emit('http_thread.ended', { thread: name, message: tellFailure(reason) });
      },
    });
    return { kept, listened: listened.promise, waiting, isListening: () => state === 'listening', listen };
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
    down: () => (port === null ? 0 : threads.length - listening().length),
    waiting: () => listening().flatMap(({ waiting }) => [...waiting]),
    async withQueues(own) {
      const all = [own, ...(await Promise.all(listening().map(queueOf)))];
      return {
        records: all.reduce((sum, { records }) => sum + records, 0),
        bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      };
    },
    async stop() {
      isStopping = true;
      await Promise.all(threads.map(({ kept }) => kept.stop()));
    },
  };
}
