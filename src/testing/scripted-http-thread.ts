// In place of a thread that serves HTTP: it does what the main thread tells it to, and ends where that is to listen at port 13.
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

serveCalls(fromMain, {
  async listen(port: number): Promise<void> {
    if (port === 13) {
      setImmediate(() => {
        throw new Error('13 is unlucky');
      });
      throw new Error('13 is unlucky');
    }
    telemetry.emit('ingest.refused', { code: 'listening', events: port });
    // As the first request of somebody who asks for the readiness.
    const { ready } = await main.call<{ ready: boolean }>('readiness');
    telemetry.emit('ingest.refused', { code: ready ? 'ready' : 'unready', events: port });
  },
  async queue() {
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
