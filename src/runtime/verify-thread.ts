import { parentPort, workerData } from 'node:worker_threads';
import { storeConsumer } from '../domain/inbox.ts';
import { createSqliteEventStore } from '../event-store/event-store.sqlite.ts';

/** Verifying reads every row: in a thread of its own it holds up neither ingest nor the worker. */
const { storePath, eventTypesMax } = workerData as { storePath: string; eventTypesMax: number };
const store = await createSqliteEventStore({ path: storePath, role: 'client', eventTypesMax });
try {
  parentPort?.postMessage(await store.verify(storeConsumer));
} finally {
  await store.close();
}
