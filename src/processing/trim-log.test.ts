import { expect, it } from 'vitest';
import type { PartitionProgress } from '../event-store/event-store.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { scriptedLog } from '../testing/scripted-log.ts';
import { trimLog } from './trim-log.ts';

const text = Buffer.from('x');

/** A log whose record n was taken at time n, and consumers that have durably read so far. */
function setUp({ partitions = 1, records = 10 } = {}) {
  const log = scriptedLog(partitions);
  for (let partition = 0; partition < partitions; partition++) {
    for (let n = 0; n < records; n++) log.put(partition, [text], n);
  }
  const durable = new Map<string, readonly Pick<PartitionProgress, 'partition' | 'nextOffset' | 'logId'>[]>();
  let flushes = 0;
  const trimmed: TelemetryEvents['log.trimmed'][] = [];
  const telemetry = createTelemetry();
  telemetry.on('log.trimmed', (payload) => trimmed.push(payload));
  const store = {
    async durableProgress(consumer: string) {
      flushes += 1;
      return (durable.get(consumer) ?? []) as readonly PartitionProgress[];
    },
  };
  const trim = (olderThanMs: number, consumers: readonly string[] = ['store']) =>
    trimLog({ log, trim: (partition, below) => log.trim(partition, below), store, telemetry }, consumers, olderThanMs);
  const starts = async () => (await log.describe()).partitions.map(({ start }) => start);
  return { log, durable, trim, trimmed, starts, flushes: () => flushes };
}

const at = (nextOffset: number, partition = 0, logId = 'log-a') => ({ partition, nextOffset, logId });

it('removes what is old and done', async () => {
  const { durable, trim, trimmed, starts } = setUp();
  durable.set('store', [at(10)]);
  await trim(6);
  expect(await starts()).toEqual([6]);
  expect(trimmed).toEqual([{ partition: 0, below: 6 }]);
});

it('never removes what is younger, however much is done', async () => {
  const { durable, trim, trimmed, starts, flushes } = setUp();
  durable.set('store', [at(10)]);
  await trim(0);
  expect(await starts()).toEqual([0]);
  expect(trimmed).toEqual([]);
  expect(flushes()).toBe(0);
});

it('never removes what is not durably done, however old', async () => {
  const { durable, trim, starts } = setUp();
  durable.set('store', [at(4)]);
  await trim(1_000);
  expect(await starts()).toEqual([4]);
  await trim(1_000);
  expect(await starts()).toEqual([4]);
});

it('goes by the consumer that is furthest behind', async () => {
  const { durable, trim, starts } = setUp();
  durable.set('store', [at(9)]);
  durable.set('processor:mail', [at(3)]);
  await trim(1_000, ['store', 'processor:mail']);
  expect(await starts()).toEqual([3]);
});

it('removes nothing of a partition that a consumer has not begun', async () => {
  const { durable, trim, starts } = setUp({ partitions: 2 });
  durable.set('store', [at(9, 0), at(9, 1)]);
  durable.set('processor:mail', [at(5, 1)]);
  await trim(1_000, ['store', 'processor:mail']);
  expect(await starts()).toEqual([0, 5]);
});

it('removes nothing by the progress that was made on another log', async () => {
  const { durable, trim, starts, trimmed } = setUp();
  durable.set('store', [at(10, 0, 'log-b')]);
  await trim(1_000);
  expect(await starts()).toEqual([0]);
  expect(trimmed).toEqual([]);
});

it('takes each partition by itself', async () => {
  const { log, durable, trim, trimmed, starts } = setUp({ partitions: 3 });
  durable.set('store', [at(10, 0), at(2, 1), at(10, 2)]);
  await log.trim(2, 8);
  await trim(5);
  expect(await starts()).toEqual([5, 2, 8]);
  expect(trimmed).toEqual([
    { partition: 0, below: 5 },
    { partition: 1, below: 2 },
  ]);
});

it('may remove everything, and costs no flush where nothing is left', async () => {
  const { durable, trim, starts, flushes } = setUp();
  durable.set('store', [at(10)]);
  await trim(1_000);
  expect(await starts()).toEqual([10]);
  expect(flushes()).toBe(1);
  await trim(1_000);
  expect(flushes()).toBe(1);
});

it('never takes a place without data for an old record', async () => {
  const { log, durable, trim, starts } = setUp({ records: 1 });
  log.put(0, [text], 100);
  log.skip(0, 5);
  log.put(0, [text], 100);
  durable.set('store', [at(8)]);
  await trim(50);
  expect(await starts()).toEqual([1]);
});

it('asks nothing of a partition that is empty', async () => {
  const { log, trim } = setUp({ partitions: 3, records: 1 });
  await log.trim(0, 1);
  await log.trim(2, 1);
  let asked = 0;
  log.before.recordAt = () => void (asked += 1);
  await trim(0);
  expect(asked).toBe(1);
});

it('keeps what lies behind a clock that was set back', async () => {
  const { log, durable, trim, starts } = setUp({ records: 3 });
  log.put(0, [text], 50);
  for (let n = 0; n < 5; n++) log.put(0, [text], 2);
  durable.set('store', [at(9)]);
  await trim(10);
  const [start] = await starts();
  expect(start).toBeLessThanOrEqual(9);
  for (let offset = start!; offset < 9; offset++) expect(await log.recordAt(0, offset)).not.toBeNull();
});

it('goes by what can be read around damage, and trims that like the rest', async () => {
  const { log, durable, trim, starts } = setUp({ partitions: 2 });
  durable.set('store', [at(10), at(10, 1)]);
  for (const offset of [0, 1, 5, 6]) log.damage(0, offset);
  await trim(6);
  expect(await starts()).toEqual([5, 6]);
  await trim(7);
  expect(await starts()).toEqual([5, 7]);
  await trim(8);
  expect(await starts()).toEqual([8, 8]);
});

it('leaves damage that is not done, and is not kept by it from trimming the rest', async () => {
  const { log, durable, trim, starts } = setUp({ partitions: 2 });
  for (let offset = 4; offset < 10; offset++) log.damage(0, offset);
  durable.set('store', [at(4), at(10, 1)]);
  await trim(1_000);
  expect(await starts()).toEqual([4, 10]);
  await trim(1_000);
  expect(await starts()).toEqual([4, 10]);
});
