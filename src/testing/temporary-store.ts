import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { EventStore } from '../event-store/event-store.ts';
import { createSqliteEventStore } from '../event-store/sqlite/event-store.sqlite.ts';

/** A directory of its own, removed after the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'esp-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** The embedded event store in a directory of its own, closed and removed after the test. */
export async function temporaryStore(): Promise<EventStore> {
  const directory = await temporaryDirectory();
  const store = await createSqliteEventStore({
    path: join(directory, 'store.sqlite'),
    role: 'owner',
    eventTypesMax: 100,
  });
  onTestFinished(() => store.close());
  return store;
}
