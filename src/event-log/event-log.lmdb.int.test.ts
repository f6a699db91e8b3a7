import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventLogHarness } from '../testing/event-log.contract.harness.ts';
import { eventLogContract } from '../testing/event-log.contract.ts';
import { createLmdbEventLog, type LmdbEventLog, openLmdbLogReader } from './event-log.lmdb.ts';

eventLogContract('LMDB', async ({ partitions }): Promise<EventLogHarness> => {
  const directory = await mkdtemp(join(tmpdir(), 'esp-log-'));
  const path = join(directory, 'log.mdb');
  let log: LmdbEventLog | undefined;
  return {
    async open() {
      log = await createLmdbEventLog({ path, partitions });
      return log;
    },
    openReader: () => openLmdbLogReader({ path, partitions, shared: log!.shared }),
    async dispose() {
      await log?.close();
      await rm(directory, { recursive: true });
    },
  };
});
