// In place of a thread that serves HTTP: it does what the main thread tells it to. At port 13 it ends, at 14 it lacks
// its store until it is asked for its queue.
import { parentPort, workerData } from 'node:worker_threads';
import { openGate } from '../runtime/serve/gate.ts';
import type { HttpThreadData, HttpThreadMessage } from '../runtime/serve/http-thread.ts';
import { tellMain } from '../runtime/serve/thread-telling.ts';
import { createCaller, serveCalls } from '../runtime/threads/thread-channel.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';

const { gate: memory, toMain, fromMain } = workerData as HttpThreadData;
const main = createCaller(toMain);
const gate = openGate(memory);
const telemetry = createTelemetry();
const post = (messages: readonly HttpThreadMessage[]) => parentPort!.postMessage(messages);
const tellRest = tellMain(telemetry, post);

let lacksStore = false;

serveCalls(fromMain, {
  async listen(port: number): Promise<void> {
    if (port === 13) {
      setImmediate(() => {
        throw new Error('13 is unlucky');
      });
      throw new Error('13 is unlucky');
    }
    if (port === 14) {
      lacksStore = true;
      telemetry.emit('part.waiting', { part: 'store', reason: 'too many connections', retryInMs: 1, attempt: 0 });
    }
    telemetry.emit('ingest.refused', { code: 'listening', events: port });
    // As the first request of somebody who asks for the readiness.
    const { ready } = await main.call<{ ready: boolean }>('readiness');
    telemetry.emit('ingest.refused', { code: ready ? 'ready' : 'unready', events: port });
  },
  async queue() {
    if (lacksStore) telemetry.emit('part.opened', { part: 'store', waitedMs: 1 });
    lacksStore = false;
    return { records: 2, bytes: 30 };
  },
  async stop(): Promise<void> {
    telemetry.emit('request.shed', { route: `${gate.closed()}` });
    telemetry.emit('process.stopped', { forced: false });
    tellRest();
    toMain.close();
  },
});
post([{ kind: 'opened' }]);
