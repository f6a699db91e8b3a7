import { expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { EventStore } from '../event-store/event-store.ts';
import { createTelemetry, type TelemetryEventName } from '../telemetry/telemetry.ts';
import { claimOf, commitBatch, eventOf } from '../testing/event-store.batches.ts';
import { scriptedLog } from '../testing/scripted-log.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { hashRecord } from './build-batch.ts';
import { createPartsWatch } from './parts-watch.ts';
import { pause } from './pause.ts';

/** Over a real store and a log that the test can cut and rename. A look's pause passes its time at once. */
async function setUp(partitions = 2) {
  const store = await temporaryStore();
  const log = scriptedLog(partitions);
  const wrapped: Partial<EventStore> = {};
  const metrics = { watermark: async (): Promise<null> => null };
  const clock = { now: 1_000_000 };
  const told: { name: TelemetryEventName; payload: unknown }[] = [];
  const telemetry = createTelemetry();
  telemetry.onAny((name, payload) => told.push({ name, payload }));

  const replaced: boolean[] = [];

  function start() {
    const watch = createPartsWatch({
      log,
      store: {
        progress: (consumer) => (wrapped.progress ?? store.progress)(consumer),
        ledger: (consumer) => store.ledger(consumer),
      },
      metrics: { watermark: () => metrics.watermark() },
      telemetry,
      elapsed: () => clock.now,
      async pause(_ms, signal) {
        await pause(1, signal);
        clock.now += limits.partsWatchEveryMs;
      },
      onReplaced: (isReplaced) => replaced.push(isReplaced),
    });
    onTestFinished(() => watch.stop());
    return watch;
  }

  /** One record in the log, and progress that has taken it. */
  async function take(partition = 0): Promise<void> {
    log.put(partition);
    await catchUp(partition);
  }

  /** Progress takes the one record that the log has past it. */
  async function catchUp(partition = 0): Promise<void> {
    const { end } = (await log.describe()).partitions[partition]!;
    const record = await log.recordAt(partition, end - 1);
    const progress = await store.claim(claimOf(partition));
    await commitBatch(store, progress, [eventOf()], { last: { offset: end - 1, hash: hashRecord(record!.value) } });
  }

  const names = () => told.map(({ name }) => name);
  return { store, log, wrapped, metrics, clock, told, replaced, names, start, take, catchUp };
}

it('finds nothing wrong with the log that the store belongs to', async () => {
  const { start, take, names } = await setUp();
  await take();
  const watch = start();
  await watch.looked;
  expect(watch.replaced()).toBeNull();
  expect(watch.away().size).toBe(0);
  expect(watch.unclaimed()).toEqual([1]);
  expect(names()).toEqual([]);
});

it('knows at its first look that the log is another, and later that it is the right one again', async () => {
  const { log, start, take, told, replaced } = await setUp();
  await take();
  log.rename('log-b');
  const watch = start();
  await watch.looked;
  expect(watch.replaced()).toMatch(/processed from the log log-a/);
  expect(watch.unclaimed()).toEqual([]);
  log.rename('log-a');
  await expect.poll(() => watch.replaced()).toBeNull();
  expect(told.map(({ name }) => name)).toEqual(['log.replaced', 'log.recognised']);
  expect(replaced).toEqual([true, false]);
});

it('knows it also where the store has no progress yet, but has adopted another log', async () => {
  const { store, start } = await setUp();
  await store.adoptLog('log-x', 1);
  const watch = start();
  await watch.looked;
  expect(watch.replaced()).toMatch(/log-x was adopted/);
});

it('notices a log that loses records or changes its id while it is watched', async () => {
  const { log, start, take } = await setUp();
  await take();
  const watch = start();
  await watch.looked;
  log.cutOff(0, 0);
  await expect.poll(() => watch.replaced()).toMatch(/lost acknowledged records/);
});

it('notices an older copy that has grown past where it was, by its records', async () => {
  const { log, start, take } = await setUp();
  await take();
  const watch = start();
  await watch.looked;
  log.cutOff(0, 0);
  log.put(0, [Buffer.from('another'), Buffer.from('and one more')]);
  await expect.poll(() => watch.replaced()).toMatch(/not the one that was processed/);
});

it('tells which part is away, and that it is back', async () => {
  const { log, wrapped, metrics, start, told, store } = await setUp();
  const watch = start();
  await watch.looked;
  const away = (what: 'log' | 'store' | 'metrics') => () => {
    throw new UnavailableError(`${what}_unavailable`, `${what} is away`);
  };
  wrapped.progress = away('store');
  metrics.watermark = away('metrics');
  await expect
    .poll(() => [...watch.away()].sort())
    .toEqual([
      ['metrics', 'metrics is away'],
      ['store', 'store is away'],
    ]);
  log.before.describe = away('log');
  await expect.poll(() => watch.away().get('log')).toBe('log is away');
  wrapped.progress = store.progress;
  metrics.watermark = async () => null;
  log.before.describe = undefined;
  await expect.poll(() => watch.away().size).toBe(0);
  const times = (name: TelemetryEventName) => told.filter((event) => event.name === name).length;
  expect([times('part.away'), times('part.back')]).toEqual([3, 3]);
});

it('compares the log anew when the store or the log is back', async () => {
  const { log, start, take } = await setUp();
  await take();
  const watch = start();
  await watch.looked;
  log.before.describe = () => {
    throw new UnavailableError('log_unavailable', 'away');
  };
  await expect.poll(() => watch.away().has('log')).toBe(true);
  log.cutOff(0, 0);
  log.put(0, [Buffer.from('another')]);
  log.before.describe = undefined;
  await expect.poll(() => watch.replaced()).toMatch(/not the one that was processed/);
});

it('resolves its first look also where nothing answers', async () => {
  const { log, wrapped, start } = await setUp();
  const away = () => {
    throw new UnavailableError('log_unavailable', 'away');
  };
  log.before.describe = away;
  wrapped.progress = away;
  const watch = start();
  await watch.looked;
  expect([...watch.away().keys()].sort()).toEqual(['log', 'store']);
  expect(watch.replaced()).toBeNull();
  expect(watch.unclaimed()).toEqual([]);
});

it('tells the partitions that nobody works on, and no longer when somebody does', async () => {
  const { log, start, take, catchUp } = await setUp();
  await take();
  log.put(0);
  const watch = start();
  await expect.poll(() => watch.idle()).toEqual([0]);
  await catchUp();
  await expect.poll(() => watch.idle()).toEqual([]);
});
