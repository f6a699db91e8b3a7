import { expect, it } from 'vitest';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { queryPostgres } from '../../testing/postgres-store.ts';
import { freshDatabase } from '../../testing/stack/shared.ts';
import { checkPostgres } from './check.ts';
import { migratePostgres } from './migrations.ts';

it('tells the version, the clock and the settings of a server, and what is still to be migrated', async () => {
  const url = await freshDatabase();
  const before = await checkPostgres({ url });
  expect(before).toMatchObject({
    version: expect.stringMatching(/^18\./),
    isStandby: false,
    settings: { fsync: 'on', fullPageWrites: 'on', synchronousCommit: 'on' },
    missingRights: [],
  });
  // The same machine.
  expect(Math.abs(before.clockAheadMs)).toBeLessThan(1_000);
  expect(before.connections.used).toBeGreaterThan(0);
  expect(before.missingMigrations[0]).toBe('event_store');
  await migratePostgres({ url });
  expect((await checkPostgres({ url })).missingMigrations).toEqual([]);
});

it('tells which rights a user lacks on the tables', async () => {
  const url = await freshDatabase();
  await migratePostgres({ url });
  const name = `reader_${Math.random().toString(36).slice(2)}`;
  await queryPostgres(
    url,
    `CREATE ROLE ${name} LOGIN PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${name}`,
  );
  await queryPostgres(url, `GRANT INSERT, UPDATE, DELETE ON progress TO ${name}`);
  const asReader = new URL(url);
  asReader.username = name;
  asReader.password = 'p';
  const { missingRights } = await checkPostgres({ url: asReader.href });
  expect(missingRights).toContain('INSERT on events');
  expect(missingRights).not.toContain('SELECT on events');
  expect(missingRights.filter((right) => right.endsWith(' progress'))).toEqual([]);
});

it('throws what a start would throw', async () => {
  const url = new URL(await freshDatabase());
  url.password = 'wrong';
  await expect(checkPostgres({ url: url.href })).rejects.toThrow(StartupError);
  await expect(checkPostgres({ url: 'postgres://esp@127.0.0.1:1/esp' })).rejects.toThrow(UnavailableError);
});
