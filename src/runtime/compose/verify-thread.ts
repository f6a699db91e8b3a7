import { parentPort, workerData } from 'node:worker_threads';
import { storeConsumer } from '../../domain/inbox.ts';
import { openStoreClient } from './compose.embedded.ts';

/** Verifying reads every row: in a thread of its own it holds up neither ingest nor the worker. */
const { storePath, eventTypesMax } = workerData as { storePath: string; eventTypesMax: number };
const store = await openStoreClient(storePath, eventTypesMax);
try {
  parentPort?.postMessage(await store.verify(storeConsumer));
} finally {
  await store.close();
}
