// Promise: behind a proxy that pools PostgreSQL's connections by transaction everything works as without it, from
// `esp migrate` to `esp verify`, with fewer connections to the server than the processes have to the proxy; and the
// proxy killed under load stops nothing but itself.
import { expect, it, onTestFinished } from 'vitest';
import type { LedgerView } from '../../../src/http/contract.ts';
import { queryPostgres } from '../../../src/testing/postgres-store.ts';
import { hasPgBouncer, startPgBouncer } from '../../../src/testing/stack/pgbouncer.ts';
import { freshDatabase } from '../../../src/testing/stack/shared.ts';
import { requireHere, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';

it('PgBouncer in its transaction mode, killed and started again', async (context) => {
  requireHere(context, hasPgBouncer(), 'pgbouncer');
  const direct = await freshDatabase();
  const pooler = await startPgBouncer(direct);
  onTestFinished(() => pooler.dispose());
  const installation = await createInstallation({ servers: { DATABASE_URL: pooler.url } });
  const [api, ...workers] = await Promise.all([
    installation.startApi(),
    installation.startWorker(),
    installation.startWorker(),
  ]);
  const load = createLoad(api.send);
  const sending = load.start();
  const storedSoFar = async () => (await api.get<LedgerView>('/api/ledger')).stored;
  await waitFor('some of it to be stored', async () => (await storedSoFar()) > 500);
  // With this one, which does not go through it.
  const sessions = await queryPostgres(
    direct,
    `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database()`,
  );
  expect(sessions[0]!.count).toBeLessThanOrEqual(3 + 1);

  await pooler.kill();
  const sent = load.accepted.size;
  await waitFor('more to be taken meanwhile', () => load.accepted.size > sent + 200);
  expect((await api.request('/api/events')).status).toBe(503);
  await pooler.start();
  await waitFor('it to be stored', async () => (await storedSoFar()) > sent + 200);
  await sending.stop();
  await expectStoredOnce(api, load);
  expect(load.refused()).toBe(0);
  const doctor = await installation.esp(['doctor'], { ESP_URL: api.url });
  expect(doctor.stdout).not.toContain('PROBLEM');
  for (const server of [api, ...workers]) expect(await server.stop()).toEqual({ code: 0, signal: null });
});
