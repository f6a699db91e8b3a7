import { beforeAll, describe } from 'vitest';
import { eventStoreContract } from '../../testing/event-store.contract.ts';
import { makePostgresHarness } from '../../testing/postgres-store.ts';
import { freshDatabase } from '../../testing/stack/shared.ts';
import { migratePostgres } from './migrations.ts';

/** The oldest that is supported; with --full also those between it and the newest, which everything else runs on. */
const majors = process.env.ESP_TEST_FULL ? ([14, 15, 16, 17] as const) : ([14] as const);

describe.each(majors)('PostgreSQL %s', (major) => {
  let url: string;
  beforeAll(async () => {
    url = await freshDatabase({ major });
    await migratePostgres({ url });
  });

  eventStoreContract('event store', () => makePostgresHarness(url));
});
