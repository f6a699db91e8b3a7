import { parentPort, workerData } from 'node:worker_threads';
import { StartupError } from '../../domain/failure.ts';
import { createTelemetry, type TelemetryEventName } from '../../telemetry/telemetry.ts';
import { openWorkerParts } from '../compose/compose.ts';
import type { WorkerPartsOpening, WorkerSettings, WorkerSource } from '../compose/parts.ts';
import { machineClocks } from '../serve/machine-clocks.ts';
import type { ThreadPorts } from '../threads/kept-thread.ts';
import { createCaller, createOutbox, serveCalls } from '../threads/thread-channel.ts';
import { type RunningWorker, runWorker } from './run-worker.ts';

/** What the main thread hands over. */
export interface WorkerThreadData extends ThreadPorts {
  readonly source: WorkerSource;
  readonly settings: WorkerSettings;
}

export type WorkerThreadMessage =
  | { readonly kind: 'opened' }
  /** It can't start before somebody acts. */
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'claimed';
      readonly working: readonly number[];
      readonly halted: ReadonlyMap<number, { readonly reason: string; readonly message: string }>;
    }
  | { readonly kind: 'telemetry'; readonly name: TelemetryEventName; readonly payload: unknown };

const data = workerData as WorkerThreadData;
const main = createCaller(data.toMain);
const post = createOutbox<WorkerThreadMessage>(parentPort!, (_message, error) => {
  throw error;
});

const telemetry = createTelemetry();
telemetry.onAny((name, payload) => post({ kind: 'telemetry', name, payload }));

let opening: WorkerPartsOpening | null = null;
let worker: RunningWorker | null = null;
serveCalls(data.fromMain, {
  async stop() {
    await worker?.stop();
    await opening?.close();
    data.toMain.close();
  },
});

try {
  opening = await openWorkerParts({ source: data.source, settings: data.settings, telemetry, main, ...machineClocks });
  await opening.firstTry;
} catch (error) {
  // At once: this thread ends with the error.
  if (error instanceof StartupError) parentPort!.postMessage([{ kind: 'refused', message: error.message }]);
  throw error;
}
const parts = await opening.opened;
post({ kind: 'opened' });
worker = runWorker({
  parts,
  settings: data.settings,
  telemetry,
  ...machineClocks,
  onClaimed: (working, halted) => post({ kind: 'claimed', working, halted }),
});
await worker.ended;
