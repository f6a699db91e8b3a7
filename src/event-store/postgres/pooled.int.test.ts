import { afterAll, beforeAll, describe } from 'vitest';
import { eventStoreContract } from '../../testing/event-store.contract.ts';
import { makePostgresHarness } from '../../testing/postgres-store.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../../testing/stack/pgbouncer.ts';
import { freshDatabase } from '../../testing/stack/shared.ts';
import { migratePostgres } from './migrations.ts';

describe.skipIf(!hasPgBouncer())('behind PgBouncer, which gives a connection to one transaction at a time', () => {
  let pooler: PgBouncer;
  beforeAll(async () => {
    pooler = await startPgBouncer(await freshDatabase());
    await migratePostgres({ url: pooler.url });
  });
  afterAll(() => pooler?.dispose());

  eventStoreContract('event store', () => makePostgresHarness(pooler.url));
});
