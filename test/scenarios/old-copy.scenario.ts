/**
 * Promise: a store that is put back to an older copy catches up from the log to the very same end; a log that is put
 * back to an older copy (or is gone) is noticed before anything is appended to it: the server says so, refuses new
 * events, and goes on once an operator has adopted the log. In both cases whatever is appended afterwards counts too.
 */
import { copyFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeRecord } from '../../src/domain/record-codec.ts';
import type { FailedEventPage, ProblemDocument, ReadinessView, RedriveReceipt } from '../../src/http/contract.ts';
import {
  appendToLog,
  createTempDir,
  expectEverythingAddsUp,
  makeEvent,
  type RunningServer,
  runEsp,
  startServer,
  storedEvents,
  waitFor,
} from './harness.ts';

function events(from: number, to: number, overrides: object = {}) {
  return Array.from({ length: to - from }, (_, index) => makeEvent(from + index, { ...overrides }));
}

async function send(server: RunningServer, sent: readonly object[]): Promise<void> {
  const answer = await server.send(sent);
  expect(answer.status).toBe(202);
  expect(answer.body).toMatchObject({ accepted: sent.length, rejected: 0, retry: 0 });
}

async function stop(server: RunningServer): Promise<void> {
  expect(await server.stop()).toEqual({ code: 0, signal: null });
}

/** What a store holds, without what depends on when a batch was taken. */
async function contentOf(server: RunningServer) {
  const stored = await storedEvents(server);
  const inbox: FailedEventPage = await server.get('/api/failed-events?limit=1000');
  return {
    events: stored.map(({ stored_at, ...event }) => event).sort((a, b) => (a.id < b.id ? -1 : 1)),
    inbox: inbox.failed_events
      .map(({ id, state, reason, attempt, event_id, resolution }) => ({
        id,
        state,
        code: reason.code,
        attempt,
        event_id,
        resolution,
      }))
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

describe('a store put back to an older copy', () => {
  it('catches up to the same end, and takes what is sent after', async () => {
    const dataDir = createTempDir('old-store');
    const storePath = join(dataDir, 'store.sqlite');
    const copyPath = join(createTempDir('copy'), 'store.sqlite');

    const first = await startServer({ dataDir });
    await send(first, events(0, 500));
    await first.settled();
    await stop(first);
    copyFileSync(storePath, copyPath);

    const second = await startServer({ dataDir });
    await send(second, events(400, 1_000));
    // Other content under known ids: conflicts, of which one half is redriven.
    await send(second, events(0, 40, { payload: { other: true } }));
    await second.settled();
    const { failed_events: conflicts }: FailedEventPage = await second.get('/api/failed-events?state=open&limit=1000');
    expect(conflicts).toHaveLength(40);
    await redrive(
      second,
      conflicts.slice(0, 20).map(({ id }) => id),
    );
    const before = await expectEverythingAddsUp(second);
    const contentBefore = await contentOf(second);
    await stop(second);
    expect(before).toMatchObject({ stored: 1_020, duplicate: 100, failed: 40, open_in_inbox: 20 });

    copyFileSync(copyPath, storePath);
    const third = await startServer({ dataDir });
    const after = await expectEverythingAddsUp(third);
    expect({ ...after, as_of: '' }).toEqual({ ...before, as_of: '' });
    expect(await contentOf(third)).toEqual(contentBefore);
    await stop(third);

    // Once more, and this time events arrive while it still catches up.
    copyFileSync(copyPath, storePath);
    const fourth = await startServer({ dataDir, waitUntilReady: false });
    await send(fourth, events(1_000, 1_300));
    expect(await expectEverythingAddsUp(fourth)).toMatchObject({ stored: 1_320, duplicate: 100, failed: 40 });
    await stop(fourth);
  });

  async function redrive(server: RunningServer, ids: readonly string[]): Promise<void> {
    const { body } = await server.request<RedriveReceipt>('/api/failed-events/redrive', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ids }),
    });
    expect(body).toMatchObject({ matched: ids.length, skipped: 0 });
    await waitFor('the redriven events to be settled', async () => {
      const { failed_events }: FailedEventPage = await server.get('/api/failed-events?state=resolved&limit=1000');
      return failed_events.length === ids.length;
    });
  }
});

interface Damage {
  readonly what: string;
  /**
   * Leaves another log than the one that was processed. Answers how many events it has that the store does not know.
   */
  readonly damage: (logDirectory: string, copyDirectory: string) => Promise<{ known: number; fresh: number }>;
  readonly says: RegExp;
}

const damages: Damage[] = [
  {
    what: 'put back to an older copy',
    damage: async (logDirectory, copyDirectory) => {
      putBack(copyDirectory, logDirectory);
      return { known: 300, fresh: 0 };
    },
    says: /Partition \d+ is halted: .*log/i,
  },
  {
    what: 'put back to an older copy and appended to since, past where it had been',
    damage: async (logDirectory, copyDirectory) => {
      putBack(copyDirectory, logDirectory);
      await appendToLog(join(logDirectory, '..'), foreignRecords(2_000));
      return { known: 300, fresh: 2_000 };
    },
    says: /the record at offset \d+ is not the one that was processed/,
  },
  {
    what: 'deleted',
    damage: async (logDirectory) => {
      rmSync(logDirectory, { recursive: true });
      return { known: 0, fresh: 0 };
    },
    says: /Partition \d+ is halted: .*log/i,
  },
];

function putBack(copyDirectory: string, logDirectory: string): void {
  rmSync(logDirectory, { recursive: true });
  cpSync(copyDirectory, logDirectory, { recursive: true });
}

function foreignRecords(count: number): { key: string; value: Uint8Array }[] {
  return Array.from({ length: count }, (_, n) => {
    const id = `0190a3f0-0000-7000-8000-${String(n).padStart(12, '0')}`;
    const none = { clientId: null, source: null, key: null, occurredAt: null, redriveOf: null };
    const value = encodeRecord({
      ...none,
      id,
      eventType: 'foreign',
      receivedAt: Date.now(),
      payloadJson: `{"n":${n}}`,
    });
    return { key: id, value };
  });
}

describe.each(damages)('a log that is $what', ({ damage, says }) => {
  it('stops its partitions, says so, takes nothing, and goes on once it is adopted', async () => {
    const dataDir = createTempDir('old-log');
    const logDirectory = join(dataDir, 'log');
    const copyDirectory = join(createTempDir('copy'), 'log');

    const first = await startServer({ dataDir });
    await send(first, events(0, 300));
    await first.settled();
    await stop(first);
    cpSync(logDirectory, copyDirectory, { recursive: true });
    const second = await startServer({ dataDir });
    await send(second, events(300, 600));
    await second.settled();
    await stop(second);

    const { known, fresh } = await damage(logDirectory, copyDirectory);
    const third = await startServer({ dataDir, waitUntilReady: false });
    await expectHalted(third, says);
    await stop(third);

    const offline = await runEsp(['doctor'], { env: { ESP_DATA_DIR: dataDir, ESP_URL: third.url } });
    expect(offline).toMatchObject({ code: 1, stdout: expect.stringContaining('esp doctor --adopt-log') });
    const adopted = await runEsp(['doctor', '--adopt-log'], { env: { ESP_DATA_DIR: dataDir } });
    expect(adopted).toMatchObject({ code: 0, stdout: expect.stringContaining('is now log number 2') });

    const fourth = await startServer({ dataDir });
    await send(fourth, events(600, 800));
    const ledger = await expectEverythingAddsUp(fourth);
    expect(ledger).toMatchObject({ stored: 800 + fresh, duplicate: known, failed: 0, open_in_inbox: 0 });
    expect(await storedEvents(fourth)).toHaveLength(800 + fresh);
    const doctor = await runEsp(['doctor'], { env: { ESP_DATA_DIR: dataDir, ESP_URL: fourth.url } });
    expect(doctor.stdout).toContain('every event is accounted for');
    await stop(fourth);
  });

  async function expectHalted(server: RunningServer, message: RegExp): Promise<void> {
    const ready = await waitFor('/health/ready to tell', async () => {
      const answer = await server.request<ReadinessView>('/health/ready');
      return answer.body.reasons.some(({ code }) => code === 'log_replaced') && answer;
    });
    expect(ready.status).toBe(503);
    expect(ready.body.reasons[0]!.message).toMatch(message);
    expect((await server.request('/health/live')).status).toBe(200);
    // Also of those that were halted before anybody could ask.
    expect((await server.request('/metrics')).text).toMatch(/^esp_partitions_halted [1-9]/m);

    const refused = await server.request<ProblemDocument>('/api/events', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(makeEvent(9_999)),
    });
    expect(refused).toMatchObject({ status: 503, body: { code: 'log_replaced' } });
    // What was stored stays readable meanwhile.
    expect(await storedEvents(server)).toHaveLength(600);

    const env = { ESP_DATA_DIR: server.dataDir, ESP_URL: server.url };
    const doctor = await runEsp(['doctor'], { env });
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(message) });
    expect(doctor.stdout).toContain('put the right files back');
    expect(doctor.stdout).toContain('esp doctor --adopt-log');
    const tooEarly = await runEsp(['doctor', '--adopt-log'], { env });
    expect(tooEarly).toMatchObject({ code: 1, stderr: expect.stringContaining(`in use by process ${server.pid}`) });
  }
});
