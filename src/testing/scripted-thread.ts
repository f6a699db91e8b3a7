// A thread for tests of what keeps threads running: it says hello, echoes, and breaks when it is told to.
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadPorts } from '../runtime/threads/kept-thread.ts';
import { createCaller, serveCalls } from '../runtime/threads/thread-channel.ts';

const { toMain, fromMain, breaksAtOnce } = workerData as ThreadPorts & { readonly breaksAtOnce: boolean };
if (breaksAtOnce) throw new Error('it never was well');
const main = createCaller(toMain);
serveCalls(fromMain, {
  echo: async (text: string) => `${text}, ${await main.call('name')}`,
  async break() {
    setImmediate(() => {
      throw new Error('broken as told');
    });
  },
  async stop() {
    parentPort!.postMessage(['stopping']);
    toMain.close();
  },
});
parentPort!.postMessage(['hello']);
