// Promise: a worker that is frozen for longer than its session (SIGSTOP), between batches or in the middle of its
// transaction, holds up nobody: another one has its partitions, its locks end, and what it had not committed is stored
// there. Woken, it commits nothing of what it had begun, and works again within 15 seconds, without a restart.
import { expect, it } from 'vitest';
import { queryPostgres, withPostgres } from '../../../src/testing/postgres-store.ts';
import { type RunningServer, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';

const backInWorkMs = 15_000;

async function storedBy(worker: RunningServer): Promise<number> {
  const { text } = await worker.request('/metrics');
  return Number(/^esp_records_total\{outcome="stored"\} (\d+)$/m.exec(text)?.[1]);
}

/** Partitions that the group has given to it, by what it said last. */
function partitionsOf(worker: RunningServer): readonly number[] {
  const last = worker
    .output()
    .match(/.*"msg":"group.(joined|ended)"/g)
    ?.at(-1);
  return last === undefined ? [] : (/"partitions":\[([\d,]*)\]/.exec(last)?.[1]?.split(',').map(Number) ?? []);
}

it('frozen between batches and inside its transaction: fenced, and back in work', async () => {
  const installation = await createInstallation();
  const databaseUrl = installation.env.DATABASE_URL!;
  const [api, inTransaction, betweenBatches, awake] = await Promise.all([
    installation.startApi(),
    installation.startWorker(),
    installation.startWorker(),
    installation.startWorker(),
  ]);
  const workers = [inTransaction, betweenBatches, awake];
  await waitFor('all three to have partitions', () => {
    const owned = workers.map(partitionsOf);
    return owned.every(({ length }) => length > 0) && new Set(owned.flat()).size === 4;
  });
  const load = createLoad(api.send);
  expect(await load.send()).toBe(202);
  await waitFor('each to have stored some of it', async () => {
    const counts = await Promise.all(workers.map(storedBy));
    return counts.every((count) => count > 0) && counts.reduce((sum, count) => sum + count) === 100;
  });

  // While nobody may look at events, every worker stands in the middle of a transaction, before what it writes is sent.
  await withPostgres(databaseUrl, async (holder) => {
    await holder.query('BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE');
    expect(await load.send()).toBe(202);
    await waitFor('every partition to wait in a transaction', async () => {
      const [found] = await queryPostgres(
        databaseUrl,
        `SELECT count(*)::int AS waiting FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'SELECT id, % FROM events %'`,
      );
      return found?.waiting === 4;
    });
    process.kill(inTransaction.pid, 'SIGSTOP');
    await holder.query('COMMIT');
  });
  await waitFor('the frozen one to be idle in its transaction', async () => {
    const idle = await queryPostgres(
      databaseUrl,
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
       AND state_change < clock_timestamp() - interval '500 ms'`,
    );
    return idle.length > 0;
  });
  await waitFor('the others to have stored theirs', async () => {
    const { partitions } = await api.get<{ partitions: { partition: number; in_flight: number }[] }>('/api/ledger');
    const frozen = new Set(partitionsOf(inTransaction));
    return partitions.every(({ partition, in_flight }) => frozen.has(partition) || in_flight === 0);
  });
  process.kill(betweenBatches.pid, 'SIGSTOP');
  const before = [inTransaction, betweenBatches].map((worker) => worker.output().length);
  expect(await load.send()).toBe(202);

  await waitFor('the third to have everything', () => partitionsOf(awake).length === 4, { timeoutMs: 40_000 });
  expect(await load.send()).toBe(202);
  await waitFor('it to store everything', async () => (await api.settled()).stored === load.accepted.size);

  const counts = await Promise.all(
    [inTransaction, betweenBatches].map(async (worker) => {
      process.kill(worker.pid, 'SIGCONT');
      return storedBy(worker);
    }),
  );
  await waitFor(
    'both to store events again',
    async () => {
      expect(await load.send()).toBe(202);
      const now = await Promise.all([inTransaction, betweenBatches].map(storedBy));
      return now.every((count, index) => count > counts[index]!);
    },
    { timeoutMs: backInWorkMs, everyMs: 200 },
  );
  for (const [index, worker] of [inTransaction, betweenBatches].entries()) {
    expect(worker.output().slice(before[index])).toMatch(/"msg":"(group.ended|partition.fenced)"/);
    expect(worker.output()).not.toMatch(/"msg":"partition.halted"/);
  }
  await expectStoredOnce(api, load);
  for (const worker of workers) expect(await worker.stop()).toEqual({ code: 0, signal: null });
});
