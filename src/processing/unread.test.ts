import { describe, expect, it } from 'vitest';
import { encodeRecord } from '../domain/record-codec.ts';
import type { PartitionProgress } from '../event-store/event-store.ts';
import { eventOf } from '../testing/event-store.batches.ts';
import { scriptedLog } from '../testing/scripted-log.ts';
import { cachedFor, oldestUnreadReceivedAt } from './unread.ts';

const receivedAt = (ms: number) => [encodeRecord(eventOf({ receivedAt: ms }))];
const at = (partition: number, nextOffset: number) => ({ partition, nextOffset }) as PartitionProgress;

describe('the oldest unread record', () => {
  it('is null where everything was read', async () => {
    const log = scriptedLog(2);
    expect(await oldestUnreadReceivedAt(log, [])).toBeNull();
    log.put(0, receivedAt(1_000));
    expect(await oldestUnreadReceivedAt(log, [at(0, 1), at(1, 0)])).toBeNull();
  });

  it('is not looked for in a partition that was read whole', async () => {
    const log = scriptedLog(2);
    log.put(0, receivedAt(1_000));
    let asked = 0;
    log.before.recordAt = () => void (asked += 1);
    await oldestUnreadReceivedAt(log, [at(0, 1)]);
    expect(asked).toBe(0);
  });

  it('is the oldest over partitions, by when it was received', async () => {
    const log = scriptedLog(3);
    for (const ms of [1_000, 5_000]) log.put(0, receivedAt(ms));
    log.put(1, receivedAt(3_000), 9_000);
    log.put(2, receivedAt(4_000));
    expect(await oldestUnreadReceivedAt(log, [at(0, 1), at(1, 0), at(2, 0)])).toBe(3_000);
  });

  it('counts from the start of a partition that nobody has claimed', async () => {
    const log = scriptedLog(1);
    log.put(0, receivedAt(1_000));
    log.put(0, receivedAt(2_000));
    expect(await oldestUnreadReceivedAt(log, [])).toBe(1_000);
    await log.trim(0, 1);
    expect(await oldestUnreadReceivedAt(log, [at(0, 0)])).toBe(2_000);
  });

  it('is the next one that can be read where it is damaged', async () => {
    const log = scriptedLog(2);
    for (const ms of [1_000, 2_000]) log.put(0, receivedAt(ms));
    log.put(1, receivedAt(3_000));
    log.damage(0, 0);
    expect(await oldestUnreadReceivedAt(log, [])).toBe(2_000);
    log.damage(0, 1);
    expect(await oldestUnreadReceivedAt(log, [])).toBe(3_000);
  });

  it('goes by the log’s timestamp where a record does not tell, or is no event', async () => {
    const log = scriptedLog(2);
    log.put(0, [Buffer.from('not JSON')], 7_000);
    log.put(1, receivedAt(8_000));
    expect(await oldestUnreadReceivedAt(log, [])).toBe(7_000);
  });

  it.each([1, 2, 3, 7, 100])('lies behind offsets without data where %s come first', async (skipped) => {
    const log = scriptedLog(1);
    log.skip(0, 4);
    log.put(0, receivedAt(500));
    log.skip(0, skipped);
    log.put(0, receivedAt(1_000));
    log.skip(0, 1);
    log.put(0, receivedAt(2_000));
    let asked = 0;
    log.before.recordAt = log.before.examineGap = () => void (asked += 1);
    expect(await oldestUnreadReceivedAt(log, [at(0, 5)])).toBe(1_000);
    expect(asked).toBeLessThan(5 + 2 * Math.log2(skipped + 2));
  });

  it('is null where only offsets without data are left', async () => {
    const log = scriptedLog(1);
    log.put(0, receivedAt(1_000));
    log.skip(0, 9);
    expect(await oldestUnreadReceivedAt(log, [at(0, 1)])).toBeNull();
  });

  it('is the first one left of a log that is trimmed while it is looked for', async () => {
    const log = scriptedLog(1);
    for (const ms of [1_000, 2_000, 3_000]) log.put(0, receivedAt(ms));
    log.before.recordAt = async () => {
      log.before.recordAt = undefined;
      await log.trim(0, 2);
    };
    expect(await oldestUnreadReceivedAt(log, [])).toBe(3_000);
  });

  it('leaves out a record that is gone by the time it is read', async () => {
    const log = scriptedLog(1);
    log.put(0, receivedAt(1_000));
    log.before.recordAt = () => log.trim(0, 1);
    expect(await oldestUnreadReceivedAt(log, [])).toBeNull();
  });
});

describe('cachedFor', () => {
  it('asks once in the time given, whoever asks', async () => {
    let now = 50_000;
    let asked = 0;
    const ask = cachedFor(
      1_000,
      () => now,
      async () => asked++,
    );
    expect(await Promise.all([ask(), ask()])).toEqual([0, 0]);
    now += 999;
    expect(await ask()).toBe(0);
    now += 1;
    expect(await ask()).toBe(1);
  });

  it('does not keep an error', async () => {
    const answers = [Promise.reject(new Error('away')), Promise.resolve('here')];
    const ask = cachedFor(
      1_000,
      () => 0,
      () => answers.shift()!,
    );
    await expect(ask()).rejects.toThrow('away');
    expect(await ask()).toBe('here');
  });
});
