/**
 * Promise: a full disk is answered 503 disk_full and loses nothing. Below the floor of free space the server refuses at
 * once; with no floor at all, log and store really run out of space, and it still neither ends nor fails an event. Once
 * there is room again, it goes on by itself.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import type { EventResult, LedgerView, ProblemDocument, ReadinessView } from '../../src/http/contract.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  lockStore,
  makeEvent,
  type RunningServer,
  requireHere,
  startServer,
  storedEvents,
  waitFor,
} from './harness.ts';

const mebibyte = 1024 * 1024;
const diskBytes = 64 * mebibyte;

/** A disk of its own, small, in memory. */
function mountDisk(context: TestContext): string {
  const directory = createTempDir('disk');
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', directory]);
  requireHere(context, mounted.status === 0, 'the right to mount a tmpfs');
  onTestFinished(() => {
    expect(spawnSync('umount', [directory]).status).toBe(0);
  });
  return directory;
}

/** Fills the disk until so much is left. Answers how to make room again. */
function fillDisk(directory: string, leftBytes: number): () => void {
  const path = join(directory, 'ballast');
  const file = openSync(path, 'w');
  const { bavail, bsize } = statfsSync(directory);
  const block = Buffer.alloc(64 * 1024);
  try {
    for (let left = bavail * bsize - leftBytes; left > 0; )
      left -= writeSync(file, block, 0, Math.min(left, block.length));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  closeSync(file);
  return () => rmSync(path);
}

/** A client that keeps what it was answered; every event has an id, so that it may be sent again. */
function createSender(server: RunningServer) {
  const answered = new Set<string>();
  let next = 0;
  let unsure: Record<string, unknown>[] = [];
  return {
    answered,
    make: (count: number) =>
      Array.from({ length: count }, () => makeEvent(next++, { payload: { text: 'x'.repeat(1_000) } })),
    async send(events: readonly Record<string, unknown>[]) {
      const answer = await server.send(events);
      const { results = [] } = answer.body as { results?: readonly EventResult[] };
      for (const result of results) if (result.status === 'accepted') answered.add(result.id);
      if (answer.status !== 202) unsure.push(...events);
      return answer;
    },
    /** Sends again what was not confirmed. */
    async resend() {
      const events = unsure;
      unsure = [];
      for (let from = 0; from < events.length; from += 1_000) {
        expect((await this.send(events.slice(from, from + 1_000))).status).toBe(202);
      }
    },
  };
}

async function expectAllStored(server: RunningServer, answered: ReadonlySet<string>): Promise<void> {
  const ledger = await expectEverythingAddsUp(server);
  expect(ledger).toMatchObject({ failed: 0, skipped: 0, open_in_inbox: 0 });
  const ids = (await storedEvents(server)).map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect([...answered].filter((id) => !ids.includes(id))).toEqual([]);
}

it('refuses below the floor of free space, and goes on when there is room', async (context) => {
  const disk = mountDisk(context);
  const floor = 24 * mebibyte;
  const server = await startServer({
    dataDir: join(disk, 'data'),
    env: { ESP_FREE_DISK_BYTES_MIN: String(floor) },
  });
  const sender = createSender(server);
  expect((await sender.send(sender.make(500))).status).toBe(202);

  const makeRoom = fillDisk(disk, floor - mebibyte);
  const refused = await waitFor('503', async () => {
    const answer = await sender.send(sender.make(1));
    return answer.status !== 202 && answer;
  });
  expect(refused).toMatchObject({ status: 503, body: { code: 'disk_full', retriable: true } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const ready = await waitFor('readiness to tell', async () => {
    const answer = await server.request<ReadinessView>('/health/ready');
    return answer.status !== 200 && answer;
  });
  expect(ready).toMatchObject({ status: 503, body: { reasons: [{ code: 'disk_full' }] } });
  // What was taken before is stored meanwhile: the floor leaves room to work in.
  await server.settled();

  makeRoom();
  await waitFor('the server to take events again', async () => (await sender.send(sender.make(1))).status === 202);
  await waitFor('it to be ready', async () => (await server.request('/health/ready')).status === 200);
  await sender.resend();
  await expectAllStored(server, sender.answered);
});

it('survives when log and store really run out of space', async (context) => {
  const disk = mountDisk(context);
  const server = await startServer({ dataDir: join(disk, 'data'), env: { ESP_FREE_DISK_BYTES_MIN: '0' } });
  const sender = createSender(server);
  expect((await sender.send(sender.make(100))).status).toBe(202);
  await server.settled();

  // A backlog that the store has no room for: taken while the store is locked, stored when the disk is full.
  const lock = await lockStore(join(server.dataDir, 'store.sqlite'));
  for (let n = 0; n < 8; n += 1) expect((await sender.send(sender.make(1_000))).status).toBe(202);
  const makeRoom = fillDisk(disk, 0);
  await lock.release();
  await waitFor('the store to find the disk full', () => server.output().includes('database or disk is full'));

  const refused = await waitFor('503', async () => {
    const answer = await sender.send(sender.make(10));
    return answer.status !== 202 && answer;
  });
  expect(refused).toMatchObject({ status: 503, body: { code: 'disk_full' } });
  expect(refused.headers.get('retry-after')).not.toBeNull();
  expect((refused.body as unknown as ProblemDocument).detail).toMatch(/full/);
  expect((await server.request('/health/live')).status).toBe(200);
  const during: LedgerView = await server.get('/api/ledger');
  expect(during).toMatchObject({ failed: 0, lost: 0, balanced: true });
  expect(during.in_flight).toBeGreaterThan(0);

  makeRoom();
  await waitFor('the server to take events again', async () => (await sender.send(sender.make(1))).status === 202);
  await sender.resend();
  await expectAllStored(server, sender.answered);

  // Killed while the disk is full: a start says what is wrong, and the next one finds everything.
  const makeRoomAgain = fillDisk(disk, 0);
  await server.kill();
  await expect(startServer({ dataDir: server.dataDir })).rejects.toThrow(/code 1.*no space left/s);
  makeRoomAgain();
  const restarted = await startServer({ dataDir: server.dataDir, env: { ESP_FREE_DISK_BYTES_MIN: '0' } });
  await expectAllStored(restarted, sender.answered);
  expect(await restarted.stop()).toEqual({ code: 0, signal: null });
});
