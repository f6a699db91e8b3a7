import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { createTelemetry, type TelemetryEventName } from '../telemetry/telemetry.ts';
import { createControlledLog } from '../testing/controlled-log.ts';
import { type AppendQueueOptions, createAppendQueue } from './append-queue.ts';

function setUp(options: Partial<AppendQueueOptions> & { lanes?: number } = {}) {
  const { lanes = 2, ...more } = options;
  const log = createControlledLog({ partitions: 4, lanes });
  const telemetry = createTelemetry();
  const announced: [TelemetryEventName, unknown][] = [];
  telemetry.onAny((name, payload) => announced.push([name, payload]));
  const queue = createAppendQueue({
    log,
    telemetry,
    bytesMax: 1_000,
    deadlineMs: 5_000,
    groupBytesMax: 100,
    groupRecordsMax: 10,
    ...more,
  });
  return { log, queue, announced };
}

function useClock(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
}

/** A record that says who it is, of so many bytes. */
const record = (partition: number, name: string, bytes = 10) => ({
  partition,
  value: Buffer.from(name.padEnd(bytes, '.')),
});
const namesOf = (records: readonly { readonly value: Uint8Array }[]) =>
  records.map(({ value }) => Buffer.from(value).toString().replaceAll('.', ''));

describe('group commit', () => {
  test('an idle lane is written to at once, and what arrives meanwhile is the next group', async () => {
    const { log, queue } = setUp();
    const first = queue.add([record(0, 'a')]);
    await log.appendStarted();
    const others = ['b', 'c', 'd'].map((name) => queue.add([record(0, name)]));
    expect(log.inFlight().map(namesOf)).toEqual([['a']]);
    log.succeed();
    await expect(first).resolves.toEqual({ appended: [{ partition: 0, offset: 0 }], failure: null });
    await log.appendStarted();
    expect(log.inFlight().map(namesOf)).toEqual([['b', 'c', 'd']]);
    log.succeed();
    const outcomes = await Promise.all(others);
    expect(outcomes.map(({ appended }) => appended[0]?.offset)).toEqual([1, 2, 3]);
  });

  test('what one turn of the event loop brings goes along, and what comes turn by turn only for a moment', async () => {
    const { log, queue } = setUp({ bytesMax: 1_000_000, groupBytesMax: 1_000_000, groupRecordsMax: 1_000_000 });
    const all = [queue.add([record(0, 'a')]), queue.add([record(0, 'b')])];
    await log.appendStarted();
    expect(log.inFlight().map(namesOf)).toEqual([['a', 'b']]);
    log.succeed();
    await Promise.all(all);
    // Comes to an end, although every turn brings one more.
    let turn = nextTurn();
    for (let added = 0; log.inFlight().length === 0; added += 1) {
      void queue.add([record(0, `n${added}`)]);
      await turn;
      turn = nextTurn();
    }
    expect(log.inFlight()[0]!.length).toBeGreaterThan(1);
    log.succeed();
  });

  test('lanes do not wait for each other', async () => {
    const { log, queue } = setUp();
    const slow = queue.add([record(0, 'a')]);
    const quick = queue.add([record(1, 'b')]);
    await log.appendStarted(2);
    expect(log.inFlight().map(namesOf)).toEqual([['a'], ['b']]);
    log.succeed(1);
    await expect(quick).resolves.toMatchObject({ failure: null });
    log.succeed(0);
    await expect(slow).resolves.toMatchObject({ failure: null });
  });

  test('a group is bounded in records and in bytes, and a larger record stands alone', async () => {
    const { log, queue } = setUp();
    const all = queue.add([
      record(0, 'first'),
      ...Array.from({ length: 12 }, (_, index) => record(0, `s${index}`, 5)),
      record(0, 'big', 500),
      record(0, 'x', 60),
      record(0, 'y', 60),
    ]);
    const groups: string[][] = [];
    while (queue.size().records > 0) {
      await log.appendStarted();
      groups.push(namesOf(log.inFlight()[0]!));
      log.succeed();
      await vi.waitFor(() => expect(log.inFlight().length > 0 || queue.size().records === 0).toBe(true), {
        interval: 1,
      });
    }
    expect(groups.map((group) => group.length)).toEqual([10, 3, 1, 1, 1]);
    expect(groups.flat().slice(0, 3)).toEqual(['first', 's0', 's1']);
    const { appended } = await all;
    expect(appended.map((at) => at?.offset)).toEqual(Array.from({ length: 16 }, (_, offset) => offset));
  });

  test('records of one request go to several lanes and come back in their own order', async () => {
    const { log, queue } = setUp();
    const all = queue.add([record(1, 'a'), record(0, 'b'), record(3, 'c'), record(2, 'd')]);
    await log.appendStarted(2);
    expect(log.inFlight().map(namesOf)).toEqual([
      ['a', 'c'],
      ['b', 'd'],
    ]);
    log.succeed(1);
    log.succeed(0);
    const { appended } = await all;
    expect(appended.map((at) => at?.partition)).toEqual([1, 0, 3, 2]);
  });
});

describe('the bound in bytes', () => {
  test('counts what waits and what is in flight, until it has settled', async () => {
    const { log, queue } = setUp();
    const first = queue.add([record(0, 'a', 400)]);
    await log.appendStarted();
    const second = queue.add([record(0, 'b', 500)]);
    expect(queue.size()).toEqual({ records: 2, bytes: 900 });
    expect([queue.hasRoomFor(100), queue.hasRoomFor(101)]).toEqual([true, false]);
    log.succeed();
    await first;
    expect(queue.size()).toEqual({ records: 1, bytes: 500 });
    await log.appendStarted();
    log.fail(new UnavailableError('log_timeout', 'no answer'));
    await second;
    expect(queue.size()).toEqual({ records: 0, bytes: 0 });
  });
});

describe('when the log refuses', () => {
  test.each([
    [new UnavailableError('log_timeout', 'no answer'), 'log_unavailable'],
    [new UnavailableError('disk_full', 'no room'), 'disk_full'],
    [new UnavailableError('log_replaced', 'another log'), 'log_replaced'],
    [new TypeError('a bug'), 'internal'],
  ])('with %s the request is told', async (error, code) => {
    const { log, queue, announced } = setUp();
    const all = queue.add([record(0, 'a'), record(1, 'b')]);
    await log.appendStarted(2);
    log.succeed(1);
    log.fail(error);
    await expect(all).resolves.toEqual({
      appended: [undefined, { partition: 1, offset: 0 }],
      failure: { code, message: error.message },
    });
    expect(announced.map(([name]) => name)).toEqual(['ingest.appended', 'append.failed']);
  });

  test('what arrives later is appended all the same', async () => {
    const { log, queue } = setUp();
    const first = queue.add([record(0, 'a')]);
    await log.appendStarted();
    const second = queue.add([record(0, 'b')]);
    log.fail(new UnavailableError('log_timeout', 'no answer'));
    await first;
    await log.appendStarted();
    log.succeed();
    await expect(second).resolves.toMatchObject({ failure: null });
  });

  test('the rest of the same request is dropped, so that no event overtakes one before it', async () => {
    const { log, queue } = setUp({ groupRecordsMax: 1 });
    const all = queue.add([record(0, 'a'), record(0, 'b'), record(0, 'c')]);
    const other = queue.add([record(0, 'd')]);
    await log.appendStarted();
    log.fail(new UnavailableError('log_timeout', 'no answer'));
    await expect(all).resolves.toMatchObject({ appended: [undefined, undefined, undefined] });
    await log.appendStarted();
    expect(log.inFlight().map(namesOf)).toEqual([['d']]);
    log.succeed();
    await other;
    expect(log.appended().map(namesOf)).toEqual([['d']]);
    expect(queue.size()).toEqual({ records: 0, bytes: 0 });
  });
});

describe('past the deadline', () => {
  test('the client stops waiting; the append goes on and its bytes stay counted', async () => {
    useClock();
    const { log, queue, announced } = setUp();
    const all = queue.add([record(0, 'a'), record(1, 'b')]);
    await log.appendStarted(2);
    log.succeed(1);
    await vi.advanceTimersByTimeAsync(5_100);
    const outcome = await all;
    expect(outcome).toMatchObject({
      appended: [undefined, { partition: 1, offset: 0 }],
      failure: { code: 'not_confirmed' },
    });
    expect(queue.size()).toEqual({ records: 1, bytes: 10 });
    await vi.advanceTimersByTimeAsync(1_000);
    // Once, however long the append takes.
    expect(announced.filter(([name]) => name === 'append.failed')).toEqual([
      ['append.failed', { events: 1, error: 'no answer within 5000 ms' }],
    ]);
    log.succeed();
    await queue.idle();
    expect(queue.size()).toEqual({ records: 0, bytes: 0 });
    expect(log.appended().map(namesOf)).toEqual([['b'], ['a']]);
    // What the client was told stays as it was told.
    expect(outcome.appended[0]).toBeUndefined();
  });

  test('each request has a deadline of its own, whether or not another one comes', async () => {
    useClock();
    const { queue } = setUp();
    const answered: string[] = [];
    void queue.add([record(0, 'a')]).then(() => answered.push('a'));
    await vi.advanceTimersByTimeAsync(3_000);
    void queue.add([record(0, 'b')]).then(() => answered.push('b'));
    await vi.advanceTimersByTimeAsync(2_100);
    expect(answered).toEqual(['a']);
    await vi.advanceTimersByTimeAsync(3_100);
    expect(answered).toEqual(['a', 'b']);
  });

  test('a request whose parts are in two lanes is told once', async () => {
    useClock();
    const { log, queue, announced } = setUp();
    const all = queue.add([record(0, 'a'), record(1, 'b')]);
    await log.appendStarted(2);
    await vi.advanceTimersByTimeAsync(5_100);
    await expect(all).resolves.toMatchObject({ appended: [undefined, undefined], failure: { code: 'not_confirmed' } });
    expect(announced).toEqual([['append.failed', { events: 2, error: 'no answer within 5000 ms' }]]);
    log.succeed();
    log.succeed();
    await queue.idle();
  });

  test('of a request in several groups, what waits is dropped and what the log had confirmed stands', async () => {
    useClock();
    const { log, queue } = setUp({ groupRecordsMax: 1 });
    const all = queue.add([record(0, 'a'), record(0, 'b'), record(0, 'c')]);
    await log.appendStarted();
    log.succeed();
    await log.appendStarted();
    await vi.advanceTimersByTimeAsync(5_100);
    await expect(all).resolves.toMatchObject({
      appended: [{ partition: 0, offset: 0 }, undefined, undefined],
      failure: { code: 'not_confirmed' },
    });
    expect(queue.size()).toEqual({ records: 1, bytes: 10 });
    log.succeed();
    await queue.idle();
    expect(log.appended().map(namesOf)).toEqual([['a'], ['b']]);
  });

  test('a request that one lane has settled is found where it waits in another', async () => {
    useClock();
    const { log, queue } = setUp();
    const first = queue.add([record(1, 'slow')]);
    await log.appendStarted();
    await vi.advanceTimersByTimeAsync(1_000);
    const both = queue.add([record(0, 'a'), record(1, 'b')]);
    await log.appendStarted(2);
    log.succeed(1);
    await vi.advanceTimersByTimeAsync(4_100);
    await expect(first).resolves.toMatchObject({ failure: { code: 'not_confirmed' } });
    await vi.advanceTimersByTimeAsync(1_000);
    await expect(both).resolves.toMatchObject({
      appended: [{ partition: 0, offset: 0 }, undefined],
      failure: { code: 'not_confirmed' },
    });
    log.succeed();
    await queue.idle();
    expect(log.appended().map(namesOf)).toEqual([['a'], ['slow']]);
  });

  test('what has not been started is dropped and makes room', async () => {
    useClock();
    const { log, queue } = setUp();
    const first = queue.add([record(0, 'a')]);
    await log.appendStarted();
    const second = queue.add([record(0, 'b', 900)]);
    await vi.advanceTimersByTimeAsync(3_000);
    const third = queue.add([record(0, 'c')]);
    await vi.advanceTimersByTimeAsync(2_100);
    await expect(Promise.all([first, second])).resolves.toMatchObject([
      { failure: { code: 'not_confirmed' } },
      { failure: { code: 'not_confirmed' } },
    ]);
    expect(queue.size()).toEqual({ records: 2, bytes: 20 });
    log.succeed();
    await log.appendStarted();
    expect(log.inFlight().map(namesOf)).toEqual([['c']]);
    log.succeed();
    await expect(third).resolves.toMatchObject({ failure: null });
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('idle resolves when the last append has settled, and at once when nothing is held', async () => {
  const { log, queue } = setUp();
  await queue.idle();
  const all = queue.add([record(0, 'a'), record(1, 'b')]);
  let isIdle = false;
  const idle = queue.idle().then(() => {
    isIdle = true;
  });
  await log.appendStarted(2);
  log.succeed(0);
  await nextTurn();
  expect(isIdle).toBe(false);
  log.succeed(0);
  await Promise.all([all, idle]);
  expect(isIdle).toBe(true);
});
