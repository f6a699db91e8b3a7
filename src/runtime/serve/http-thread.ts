import { parentPort, workerData } from 'node:worker_threads';
import { limits } from '../../domain/limits.ts';
import type { Readiness } from '../../http/dependencies.ts';
import type { QueueSize } from '../../ingest/append-queue.ts';
import type { StickyRun } from '../../ingest/sticky-partitioner.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { openServerParts } from '../compose/compose.ts';
import type { Config } from '../config/config.ts';
import type { ThreadPorts } from '../threads/kept-thread.ts';
import { createCaller, serveCalls } from '../threads/thread-channel.ts';
import { createApi, portsOf } from './api.ts';
import { atMost } from './at-most.ts';
import { openGate } from './gate.ts';
import { createLifecycle } from './lifecycle.ts';
import { listen } from './listen.ts';
import { machineClocks } from './machine-clocks.ts';
import { type ToldMessage, tellMain } from './thread-telling.ts';

/** What the main thread hands over. */
export interface HttpThreadData extends ThreadPorts {
  readonly config: Config;
  /** See gate.ts. */
  readonly gate: SharedArrayBuffer;
  /** See sticky-partitioner.ts. */
  readonly stickyRun: StickyRun;
  /** How many serve HTTP in this process. */
  readonly httpThreads: number;
}

/** `opened`: it can listen as soon as it is told where. */
export type HttpThreadMessage = ToldMessage | { readonly kind: 'opened' };

const { config, gate: memory, stickyRun, httpThreads, toMain, fromMain } = workerData as HttpThreadData;
const main = createCaller(toMain);
const post = (messages: readonly HttpThreadMessage[]) => parentPort!.postMessage(messages);
const telemetry = createTelemetry();
const tellRest = tellMain(telemetry, post);

const gate = openGate(memory);
const lifecycle = createLifecycle({ telemetry, deadlineMs: limits.shutdownMs });
const surroundings = { telemetry, lifecycle, ...machineClocks };
const parts = await openServerParts(config, surroundings);
// A wrong setting ends the start of the main thread, which opens the same; a thread that is started later waits, and
// says so.
const store = parts.openStore(Promise.resolve());
lifecycle.add('event store', () => store.close());
const { redrive, ingest, app } = createApi({
  config,
  parts,
  ports: portsOf(parts, store),
  telemetry,
  ...machineClocks,
  closed: () => gate.closed(),
  halted: () => new Map(),
  prometheus: () => main.call('prometheus'),
  readiness: () => main.call<Readiness>('readiness'),
  isStopping: () => gate.isStopping(),
  httpThreads,
  stickyRun,
});
lifecycle.add('redrive jobs', () => redrive.drain());
lifecycle.add('ingest', () => ingest.drain());
lifecycle.add('http', () => app.close());

serveCalls(fromMain, {
  async listen(port: number): Promise<void> {
    try {
      await listen(app, { ...config, port, portVariable: 'PORT', amongThreads: 'further' });
    } catch (error) {
      // This thread ends with it, and is started anew.
      setImmediate(() => {
        throw error;
      });
      throw error;
    }
  },
  queue: async (): Promise<QueueSize> => ingest.queue(),
  async stop(): Promise<void> {
    await lifecycle.stop('the process stops');
    tellRest();
    toMain.close();
  },
});
// However it ends: what happened before is counted, and may tell why.
process.once('exit', tellRest);

// Without the log it could take nothing, and others listen. The store it may do without, after a while.
await parts.log.opened;
await atMost(
  limits.partsFirstTryMs,
  store.firstTry.catch(() => undefined),
);
post([{ kind: 'opened' }]);
