/**
 * Promise: damage in the log stops the partition whose records it has hit, and says so everywhere; all others go on,
 * and so does that one where the record was stored already. An operator who has no sound copy gives the rest up:
 * exactly these records count as lost, and the ledger balances.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { segmentPath } from '../../src/event-log/segment/files.ts';
import type { LedgerView, ReadinessView } from '../../src/http/contract.ts';
import {
  createTempDir,
  lockStore,
  makeEvent,
  type RunningServer,
  runEsp,
  startServer,
  storedEvents,
  waitFor,
} from './harness.ts';

const partitions = 8;
/** One for each partition. */
const keys = Array.from({ length: partitions }, (_, partition) => {
  for (let n = 0; ; n += 1) if (partitionOf(`key-${n}`, partitions) === partition) return `key-${n}`;
});
const markOf = (n: number, partition: number) => `mark-${n}-of-${partition}.`;
const idsOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => keys.map((_, partition) => `event-${from + n}-${partition}`)).flat();

/** One event for each partition and number; those of a number in one request. */
async function send(server: RunningServer, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    const events = keys.map((key, partition) => {
      return makeEvent(n, { id: `event-${n}-${partition}`, key, payload: { mark: markOf(n, partition) } });
    });
    expect((await server.send(events)).status).toBe(202);
  }
}

function rot(dataDir: string, mark: string): void {
  const path = segmentPath(join(dataDir, 'log'), 1);
  const bytes = readFileSync(path);
  const at = bytes.indexOf(mark);
  expect(at).toBeGreaterThan(0);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

const [stored, unstored, last] = [20, 30, 35];
const [oldDamage, newDamage] = [
  { partition: 2, n: 7 },
  { partition: 5, n: 23 },
];

describe('a log with a rotten byte in a stored record, and in one that is not', () => {
  it('halts one partition, and goes on with it once its record was given up', async () => {
    const dataDir = createTempDir('damaged-log');
    const first = await startServer({ dataDir });
    await send(first, 0, stored);
    await first.settled();
    const lock = await lockStore(join(dataDir, 'store.sqlite'));
    await send(first, stored, unstored);
    await first.kill();
    await lock.release();
    for (const { n, partition } of [oldDamage, newDamage]) rot(dataDir, markOf(n, partition));

    const second = await startServer({ dataDir, waitUntilReady: false });
    await expectOneHalted(second);
    await send(second, unstored, last);
    const waiting = last - newDamage.n;
    const ledger = await waitFor('all others to be worked off', async () => {
      const ledger = await second.get<LedgerView>('/api/ledger');
      return ledger.in_flight === waiting && ledger;
    });
    expect(ledger).toMatchObject({ balanced: true, lost: 0, stored: last * partitions - waiting });
    for (const { partition, halted } of ledger.partitions) {
      if (partition === newDamage.partition)
        expect(halted).toMatch(/at offset 23 can't be read.*at byte \d+ is damaged/);
      else expect(halted).toBeNull();
    }
    expect((await second.request('/metrics')).text).toMatch(/^esp_partitions_halted 1$/m);
    await expectDoctor(dataDir, second.url, /esp give-up/);
    const tooEarly = await runEsp(['give-up', '--yes'], { env: { ESP_DATA_DIR: dataDir } });
    expect(tooEarly).toMatchObject({ code: 1, stderr: expect.stringContaining(`in use by process ${second.pid}`) });
    expect(await second.stop()).toMatchObject({ code: 0 });
    await expectDoctor(dataDir, second.url, /offset 23 can't be read/);

    await giveUp(dataDir);

    const third = await startServer({ dataDir });
    expect(await third.settled()).toMatchObject({
      balanced: true,
      appended: last * partitions,
      stored: last * partitions - 1,
      duplicate: 0,
      failed: 0,
      lost: 1,
      skipped: 0,
    });
    const ids = (await storedEvents(third)).map(({ client_id }) => client_id);
    const lost = `event-${newDamage.n}-${newDamage.partition}`;
    expect(ids.toSorted()).toEqual(
      idsOf(0, last)
        .filter((id) => id !== lost)
        .toSorted(),
    );
    const verified = await runEsp(['verify'], { env: { ESP_URL: third.url } });
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringMatching(/^OK: /) });
    expect(third.output()).toMatch(/"partition":5,"from":23,"to":24,"reason":"given_up"/);
    expect(await third.stop()).toMatchObject({ code: 0 });
  });

  async function expectOneHalted(server: RunningServer): Promise<void> {
    const { body } = await waitFor('/health/ready to tell', async () => {
      const answer = await server.request<ReadinessView>('/health/ready');
      return answer.status === 503 && answer.body.reasons.some(({ code }) => code === 'log_damaged') && answer;
    });
    expect(body.reasons).toEqual([
      {
        code: 'log_damaged',
        message: expect.stringMatching(/^Partition 5 is halted: .*offset 23 .*000000000001.segment/),
      },
    ]);
  }

  async function expectDoctor(dataDir: string, url: string, says: RegExp): Promise<void> {
    const doctor = await runEsp(['doctor'], { env: { ESP_DATA_DIR: dataDir, ESP_URL: url } });
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(says) });
    expect(doctor.stdout).toContain('stop the server, then run esp give-up');
  }

  /** Asked once it only tells; asked again it has nothing more to do. */
  async function giveUp(dataDir: string): Promise<void> {
    const env = { ESP_DATA_DIR: dataDir };
    for (const again of [1, 2]) {
      const asked = await runEsp(['give-up'], { env });
      expect(asked, `time ${again}`).toMatchObject({ code: 1, stderr: expect.stringContaining('esp give-up --yes') });
      expect(asked.stdout).toMatch(/^partition 2, offset 7: .*at byte \d+ is damaged; stored already$/m);
      expect(asked.stdout).toMatch(/^partition 5, offset 23: .*at byte \d+ is damaged; 1 not stored$/m);
      expect(asked.stdout).toContain('1 record would be lost for good');
    }
    const done = await runEsp(['give-up', '--yes', '--json'], { env });
    expect(done.code).toBe(0);
    expect(JSON.parse(done.stdout)).toMatchObject({
      damaged: [
        { partition: 2, from: 7, to: 8, lost: 0 },
        { partition: 5, from: 23, to: 24, lost: 1 },
      ],
      lost: 1,
      done: true,
    });
    const nothingMore = await runEsp(['give-up', '--yes'], { env });
    expect(nothingMore).toMatchObject({ code: 0, stdout: expect.stringContaining('there is nothing to give up') });
    const doctor = await runEsp(['doctor'], { env: { ...env, ESP_URL: 'http://127.0.0.1:9' } });
    expect(doctor.stdout).not.toContain('give-up');
  }
});

describe('what a command finds at the end of a log after kill -9', () => {
  it('is told, since nothing of it can be read afterwards', async () => {
    const dataDir = createTempDir('cut-off');
    const server = await startServer({ dataDir });
    await send(server, 0, 1);
    await server.settled();
    const lock = await lockStore(join(dataDir, 'store.sqlite'));
    await send(server, 1, 2);
    await server.kill();
    await lock.release();
    rot(dataDir, markOf(1, 3));
    const { stderr } = await runEsp(['give-up'], { env: { ESP_DATA_DIR: dataDir } });
    expect(stderr).toMatch(/WARN +log\.cut_off path=.*at=\d+/);
  });

  it('and a directory without data is not taken for one whose records can all be read', async () => {
    const dataDir = join(createTempDir('mistyped'), 'dtaa');
    for (const command of [['give-up'], ['doctor', '--adopt-log']]) {
      const { code, stderr } = await runEsp(command, { env: { ESP_DATA_DIR: dataDir } });
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`There is no data in ${dataDir}`) });
    }
    expect(existsSync(dataDir)).toBe(false);
  });
});
