// Numbers made of what the parts really announce, in the order that they do; a test that emits for itself shows only
// that its author and the listener agree.
import { expect, it, onTestFinished, vi } from 'vitest';
import { RejectedByStoreError, UnavailableError } from '../domain/failure.ts';
import type { IngestAnswer } from '../ingest/ingest-answer.ts';
import { claimOf } from '../testing/event-store.batches.ts';
import { createIngestHarness, minimal } from '../testing/ingest-harness.ts';
import { samplesOf } from '../testing/prometheus-samples.ts';
import { workerHarness } from '../testing/worker-harness.ts';
import { createPrometheus } from './prometheus.ts';
import { createTelemetry, type TelemetryEventName, type TelemetryEvents } from './telemetry.ts';

/** Takes in what was announced, as far as it has not yet, and shows a scrape. */
function follow(announced: () => readonly (readonly [name: TelemetryEventName, payload: unknown])[]) {
  const telemetry = createTelemetry();
  const prometheus = createPrometheus({ telemetry });
  onTestFinished(() => prometheus.close());
  let taken = 0;
  return async () => {
    const events = announced();
    for (; taken < events.length; taken++) {
      const [name, payload] = events[taken]!;
      telemetry.emit(name, payload as TelemetryEvents[TelemetryEventName]);
    }
    return samplesOf(prometheus);
  };
}

it('each event sent in counts as what its client was told', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const limits = { ingestDeadlineMs: 300, ingestQueueBytesMax: 600, appendGroupRecordsMax: 1 };
  const { log, submit, ingest, announced } = createIngestHarness({ isOpen: false, limits });
  const scrape = follow(() => announced);
  const told = { accepted: 0, refused: 0, unconfirmed: 0, rejected: 0 };
  function tell(answer: IngestAnswer, sent: number): void {
    if (answer.kind === 'accepted') told.accepted += 1;
    else if (answer.kind === 'many' || answer.results !== null) {
      const names = { accepted: 'accepted', retry: 'unconfirmed', rejected: 'rejected' } as const;
      for (const { status } of answer.results ?? []) told[names[status]] += 1;
    } else told[answer.problems.length > 0 ? 'rejected' : 'refused'] += sent;
  }

  const taken = submit(minimal);
  await log.appendStarted();
  log.succeed();
  tell(await taken, 1);
  tell(await submit('{}'), 1);
  tell(await submit('[{},1]'), 2);
  const inPart = submit(`[${minimal},${minimal},{}]`);
  await log.appendStarted();
  log.succeed();
  await log.appendStarted();
  log.fail(new UnavailableError('log_timeout', 'no broker answers'));
  tell(await inPart, 3);
  const overdue = submit(`[${minimal},{}]`);
  tell(await submit(`[${Array(8).fill(minimal).join(',')}]`), 8);
  await vi.advanceTimersByTimeAsync(400);
  tell(await overdue, 2);
  // Appended after all: nobody was told.
  log.succeed();
  await ingest.drain();
  tell(await submit(`[${minimal},${minimal}]`), 0);

  expect(told).toEqual({ accepted: 2, refused: 8, unconfirmed: 2, rejected: 5 });
  const samples = await scrape();
  for (const [result, count] of Object.entries(told)) {
    expect(samples.get(`esp_ingest_events_total{result="${result}"}`), result).toBe(count);
  }
});

it('no partition is left paused or halted that is not', async () => {
  const { store, log, wrapped, start, told, payloadsOf, expectProgress } = await workerHarness(3);
  const scrape = follow(() => told.map(({ name, payload }) => [name, payload]));
  const states = async () => {
    const samples = await scrape();
    return [samples.get('esp_partitions_paused'), samples.get('esp_partitions_halted')];
  };
  await store.claim(claimOf(2, 7));
  const away = new Set([0, 1]);
  const refusals = new Map([[0, new RejectedByStoreError('too odd')]]);
  wrapped.commit = async (request, decide) => {
    if (away.has(request.partition)) throw new UnavailableError('store_busy', 'away');
    if (request.candidates.length > 0 && refusals.has(request.partition)) throw refusals.get(request.partition);
    return store.commit(request, decide);
  };
  // Nothing of one partition: joining and opening wait as well.
  let failures = 2;
  log.before.join = log.before.open = () => {
    failures -= 1;
    if (failures % 2 === 0) throw new UnavailableError('log_unreachable', 'away');
  };
  for (const partition of [0, 1]) log.put(partition);
  start();
  await expect.poll(() => new Set(payloadsOf('partition.paused').map(({ partition }) => partition)).size).toBe(2);
  expect(payloadsOf('worker.paused').length).toBeGreaterThan(0);
  expect(await states()).toEqual([2, 1]);

  // One is refused by the store, the other fenced and claimed anew, both after a wait.
  away.delete(0);
  await expectProgress(1, 0, 7);
  expect(payloadsOf('partition.bisecting')).toMatchObject([{ partition: 0 }]);
  expect(await states()).toEqual([1, 1]);
  await store.claim(claimOf(1));
  away.delete(1);
  await expectProgress(1, 1, 7);
  expect(payloadsOf('partition.fenced')).toEqual([{ partition: 1 }]);
  expect(await states()).toEqual([0, 1]);

  for (let n = 0; n < 7; n++) log.put(2);
  await expect.poll(() => states()).toEqual([0, 0]);
});
