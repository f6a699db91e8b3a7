import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { storeConsumer } from '../../domain/inbox.ts';
import { claimOf, commitBatch, eventsOf, progressOf } from '../../testing/event-store.batches.ts';
import { temporaryDirectory } from '../../testing/temporary-store.ts';
import { createSqliteEventStore } from './event-store.sqlite.ts';

vi.mock(import('node:fs/promises'), { spy: true });

/** Tells which files are flushed, and lets the test in before each flush. */
async function watchFlushes(beforeFlush: (path: string) => Promise<void> | void): Promise<string[]> {
  const { open: really } = await vi.importActual<typeof import('node:fs/promises')>('node:fs/promises');
  const flushed: string[] = [];
  vi.mocked(open).mockImplementation(async (path, ...rest) => {
    const file = await really(path, ...rest);
    const sync = file.sync.bind(file);
    file.sync = async () => {
      await beforeFlush(String(path));
      await sync();
      flushed.push(String(path));
    };
    return file;
  });
  onTestFinished(() => void vi.mocked(open).mockReset());
  return flushed;
}

async function openStore() {
  const directory = await temporaryDirectory();
  const path = join(directory, 'store.sqlite');
  const store = await createSqliteEventStore({ path, role: 'owner', eventTypesMax: 100 });
  onTestFinished(() => store.close());
  const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(3));
  return { store, directory, path, progress };
}

it('durable progress is on disk before it is told, and nothing newer is told', async () => {
  const { store, directory, path, progress } = await openStore();
  let isFirst = true;
  const flushed = await watchFlushes(async () => {
    if (!isFirst) return;
    isFirst = false;
    await commitBatch(store, progress, eventsOf(2));
  });
  expect(await store.durableProgress(storeConsumer)).toEqual([progress]);
  expect((await progressOf(store)).nextOffset).toBe(5);
  expect(flushed).toEqual([`${path}-wal`, directory]);
});

it('is not told where the disk does not take it', async () => {
  const { store } = await openStore();
  await watchFlushes(() => {
    throw new Error('EIO');
  });
  await expect(store.durableProgress(storeConsumer)).rejects.toMatchObject({
    name: 'UnavailableError',
    code: 'store_unavailable',
  });
});
