import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { deriveEventId } from '../domain/identity.ts';
import { decodeRecord } from '../domain/record-codec.ts';
import {
  accepted,
  createIngestHarness,
  idsOf,
  many,
  minimal,
  ndjson,
  refused,
  withPayload,
} from '../testing/ingest-harness.ts';
import type { ClosedCode } from './ingest-answer.ts';

describe('when the log does not take it', () => {
  test('one event is told its id, to be sent again under', async () => {
    const { log, submit } = createIngestHarness({ isOpen: false });
    const answer = submit(minimal);
    await log.appendStarted();
    const record = log.inFlight()[0]![0]!;
    log.fail(new UnavailableError('log_timeout', 'no broker answers'));
    const { id } = (decodeRecord(record.value, 0) as { event: { id: string } }).event;
    expect(refused(await answer)).toMatchObject({ code: 'log_unavailable', results: [{ status: 'retry', id }] });
  });

  test.each([
    ['one event', minimal],
    ['a list', `[${minimal},${minimal}]`],
  ])('of %s, what nothing ties to that partition goes to another from then on', async (_, body) => {
    const { log, submit } = createIngestHarness({ isOpen: false });
    const first = submit(body);
    await log.appendStarted();
    const failed = log.inFlight()[0]![0]!.partition;
    log.fail(new UnavailableError('log_timeout', 'no broker answers'));
    refused(await first);
    const second = submit(minimal);
    await log.appendStarted();
    log.succeed();
    expect(accepted(await second).partition).toBe((failed + 1) % log.partitions);
  });

  test('in part, the answer says which', async () => {
    const { log, submit } = createIngestHarness({ isOpen: false, lanes: 2 });
    const answer = submit(
      `[${[0, 1, 2, 3, 4, 5].map((n) => `{"event_type":"a","payload":{},"key":"${n}"}`).join(',')},{}]`,
    );
    await log.appendStarted(2);
    const failing = log.inFlight()[0]!.length;
    log.fail(new UnavailableError('log_timeout', 'no broker answers'));
    log.succeed();
    expect(many(await answer)).toMatchObject({ accepted: 6 - failing, rejected: 1, retry: failing });
    expect(many(await answer).results.filter(({ status }) => status === 'retry')).toHaveLength(failing);
  });

  test('in time, the answer is not_confirmed with the ids', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { log, submit, ingest, announced } = createIngestHarness({
      isOpen: false,
      limits: { ingestDeadlineMs: 300 },
    });
    const answer = submit(`[${minimal},{}]`);
    await vi.advanceTimersByTimeAsync(400);
    const refusal = refused(await answer);
    expect(refusal).toMatchObject({ code: 'not_confirmed', detail: expect.stringContaining('300 ms') });
    expect(refusal.results?.map(({ status }) => status)).toEqual(['retry', 'rejected']);
    expect(announced).toContainEqual(['ingest.unconfirmed', { events: 1 }]);
    expect(ingest.queue().records).toBe(1);
    log.succeed();
  });
});

test('every event is told of once, whatever became of it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const limits = { ingestDeadlineMs: 300, ingestQueueBytesMax: 500, appendGroupRecordsMax: 1 };
  const { log, submit, ingest, announced } = createIngestHarness({ isOpen: false, limits });
  /** Of each result, how many events have been told of so far. */
  function told() {
    const sum = { accepted: 0, rejected: 0, refused: 0, unconfirmed: 0 };
    for (const [name, payload] of announced) {
      const { events = 0, late = 0 } = payload as { events?: number; late?: number };
      if (name === 'ingest.appended') sum.accepted += events - late;
      if (name === 'ingest.rejected') sum.rejected += events;
      if (name === 'ingest.refused') sum.refused += events;
      if (name === 'ingest.unconfirmed') sum.unconfirmed += events;
    }
    return sum;
  }

  const inTime = submit(minimal);
  await log.appendStarted();
  log.succeed();
  accepted(await inTime);
  expect(told()).toEqual({ accepted: 1, rejected: 0, refused: 0, unconfirmed: 0 });

  await submit('{}');
  await submit('[{},{},1]');
  expect(told()).toEqual({ accepted: 1, rejected: 4, refused: 0, unconfirmed: 0 });

  // The first is appended after all when its client has been told to send it again; the second never gets there.
  const overdue = submit(`[${minimal},${minimal},{}]`);
  await vi.advanceTimersByTimeAsync(400);
  refused(await overdue);
  expect(told()).toEqual({ accepted: 1, rejected: 5, refused: 0, unconfirmed: 2 });
  log.succeed();
  await ingest.drain();
  expect(told()).toEqual({ accepted: 1, rejected: 5, refused: 0, unconfirmed: 2 });

  refused(await submit(minimal));
  await submit('{"event_type":');
  expect(told()).toEqual({ accepted: 1, rejected: 5, refused: 0, unconfirmed: 2 });
});

test('a request that is refused whole is told of with all of its events', async () => {
  const { submit, announced } = createIngestHarness({ isOpen: false, limits: { ingestQueueBytesMax: 10 } });
  refused(await submit(`[${minimal},{}]`));
  expect(announced).toEqual([['ingest.refused', { code: 'queue_full', events: 2 }]]);
});

test('one that fails in part, by parts', async () => {
  const { log, submit, announced } = createIngestHarness({ isOpen: false, limits: { appendGroupRecordsMax: 1 } });
  const answer = submit(`[${minimal},${minimal},${minimal}]`);
  await log.appendStarted();
  log.succeed();
  await log.appendStarted();
  log.fail(new UnavailableError('log_timeout', 'no broker answers'));
  expect(many(await answer)).toMatchObject({ accepted: 1, retry: 2 });
  expect(announced.map(([name]) => name)).toEqual(['ingest.appended', 'append.failed', 'ingest.unconfirmed']);
  expect(announced.at(-1)).toEqual(['ingest.unconfirmed', { events: 2 }]);
});

describe('nothing is taken', () => {
  test('over the bound of the queue, at once', async () => {
    const { log, submit, ingest } = createIngestHarness({ isOpen: false, limits: { ingestQueueBytesMax: 300 } });
    const first = submit(minimal);
    await log.appendStarted();
    const second = submit(minimal);
    expect(refused(await submit(`[${minimal},${minimal}]`))).toMatchObject({ code: 'queue_full', results: null });
    expect(refused(await submit(withPayload(`{"a":"${'x'.repeat(100)}"}`))).code).toBe('queue_full');
    expect(ingest.queue().records).toBe(2);
    log.succeed();
    accepted(await first);
    await log.appendStarted();
    log.succeed();
    accepted(await second);
    expect(log.appended().flat()).toHaveLength(2);
  });

  test.each(['disk_full', 'log_replaced', 'shutting_down'] as const)('while the gate says %s', async (code) => {
    const { log, submit } = createIngestHarness({ gate: () => code });
    expect(refused(await submit(minimal))).toMatchObject({ code, results: null });
    expect(log.appended()).toEqual([]);
  });

  test('when the gate closes while a body is decompressed', async () => {
    let closed: ClosedCode | null = null;
    const { log, submit } = createIngestHarness({ gate: () => closed });
    const answer = submit(gzipSync(minimal), { contentEncoding: 'gzip' });
    closed = 'disk_full';
    expect(refused(await answer).code).toBe('disk_full');
    expect(log.appended()).toEqual([]);
  });

  test('after drain, which waits for what is in flight', async () => {
    const { log, submit, ingest } = createIngestHarness({ isOpen: false });
    const answer = submit(minimal);
    let isDrained = false;
    const drained = ingest.drain().then(() => {
      isDrained = true;
    });
    expect(refused(await submit(minimal)).code).toBe('shutting_down');
    expect(isDrained).toBe(false);
    await log.appendStarted();
    log.succeed();
    accepted(await answer);
    await drained;
  });
});

describe('an Idempotency-Key', () => {
  const batch = [
    minimal,
    minimal,
    '{"event_type":"b","payload":{},"source":"shop"}',
    '{"event_type":"c","payload":{},"id":"mine"}',
  ];

  test('gives events without an id the same ones each time, and every one its own', async () => {
    const { submit } = createIngestHarness();
    const request = { ...ndjson, idempotencyKey: 'batch-7' };
    const first = idsOf(await submit(batch.join('\n'), request));
    expect(idsOf(await submit(batch.join('\n'), request))).toEqual(first);
    expect(new Set(first).size).toBe(4);
    expect(first.slice(0, 3).map((id) => id?.[14])).toEqual(['5', '5', '5']);
    expect(first[3]).toBe(deriveEventId(null, 'mine'));
    expect(idsOf(await submit(batch.join('\n'), { ...request, owner: 'someone' }))).not.toEqual(first);
    expect(idsOf(await submit(batch.join('\n'), { ...request, idempotencyKey: 'batch-8' }))).not.toEqual(first);
  });

  test.each([{ idempotencyKey: 'batch-7' }, {}])(
    'a part is safe to send again under the ids that were answered: %j',
    async (request) => {
      const { submit } = createIngestHarness();
      const ids = idsOf(await submit(`[${batch.join(',')}]`, request));
      const part = batch.slice(0, 3).map((text, index) => JSON.stringify({ ...JSON.parse(text), id: ids[index] }));
      expect(idsOf(await submit(`[${part.join(',')}]`))).toEqual(ids.slice(0, 3));
    },
  );

  test.each(['', 'x'.repeat(257)])('of a wrong length is refused', async (idempotencyKey) => {
    const { submit } = createIngestHarness();
    expect(refused(await submit(minimal, { idempotencyKey })).code).toBe('invalid_request');
  });
});

test('what nobody expects rejects, and is not thrown at whoever hands the request over', async () => {
  const { submit } = createIngestHarness({
    now: () => {
      throw new Error('no clock');
    },
  });
  await expect(submit(minimal)).rejects.toThrow('no clock');
});
