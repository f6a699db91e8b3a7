import { beforeEach, describe, expect, it } from 'vitest';
import type { EventLog } from '../event-log/event-log.ts';
import {
  boundsOf,
  type DamageableLogHarness,
  longMs,
  never,
  numbered,
  openStream,
  plentiful,
  recordsFor,
  takeRecords,
  textOf,
  useLog,
} from './event-log.contract.harness.ts';

export function damageCases(
  makeHarness: (options: { readonly partitions: number }) => Promise<DamageableLogHarness>,
): void {
  describe('a record that is damaged', () => {
    const current = useLog(makeHarness, 2);
    /** Opened over records 0 to 8 of both partitions, of which 3 to 5 of partition 0 can't be read. */
    let log: EventLog;
    const damage = { name: 'DamagedError', partition: 0, from: 3, to: 6 };

    beforeEach(async () => {
      const { harness, log: made } = current();
      for (const call of ['a', 'b', 'c']) {
        await made.append([...recordsFor(0, numbered(call, 3)), ...recordsFor(1, numbered(`${call}-other`, 3))]);
      }
      await made.close();
      await harness.damage('b-1');
      log = await harness.open();
    });

    it('is told to whoever asks for it, with all that are gone with it, and for no other', async () => {
      for (const offset of [3, 4, 5]) await expect(log.recordAt(0, offset)).rejects.toMatchObject(damage);
      expect(textOf(await log.recordAt(0, 2))).toBe('a-2');
      expect(textOf(await log.recordAt(0, 6))).toBe('c-0');
      for (let offset = 0; offset < 9; offset += 1) expect(await log.recordAt(1, offset)).toMatchObject({ offset });
    });

    it('keeps its offset', async () => {
      expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 9 });
      expect(await log.append(recordsFor(0, ['next']))).toEqual([{ partition: 0, offset: 9 }]);
      expect(textOf(await log.recordAt(0, 9))).toBe('next');
      await expect(log.recordAt(0, 4)).rejects.toMatchObject(damage);
    });

    it('ends the stream of its partition, after all that lies before it', async () => {
      const { stream } = await openStream(log);
      expect((await takeRecords(stream, 0, 3)).map(textOf)).toEqual(numbered('a', 3));
      for (let again = 0; again < 3; again += 1) {
        await expect(stream.next(0, plentiful, longMs, never)).rejects.toMatchObject(damage);
      }
      expect(await takeRecords(stream, 1, 9)).toHaveLength(9);
    });

    it('is something to take: nobody waits for records where they can not be read', async () => {
      const { stream } = await openStream(log);
      await takeRecords(stream, 0, 3);
      await expect(stream.next(0, plentiful, longMs, never)).rejects.toMatchObject(damage);
      expect(await stream.untilRecords(0, longMs, never)).toBe(true);
    });

    it('is not met by a stream that begins behind it', async () => {
      const { stream } = await openStream(log, { 0: 6 });
      expect((await takeRecords(stream, 0, 3)).map(textOf)).toEqual(numbered('c', 3));
    });

    it('is met by one that begins in the middle of what is gone', async () => {
      const { stream } = await openStream(log, { 0: 5 });
      await expect(stream.next(0, plentiful, longMs, never)).rejects.toMatchObject(damage);
    });

    it('is trimmed like any other', async () => {
      await log.trim(0, 5);
      expect(await boundsOf(log, 0)).toEqual({ start: 5, end: 9 });
      expect(await log.recordAt(0, 4)).toBeNull();
      await log.trim(0, 7);
      expect(textOf(await log.recordAt(0, 7))).toBe('c-1');
      const { stream } = await openStream(log);
      expect((await takeRecords(stream, 0, 2)).map(textOf)).toEqual(['c-1', 'c-2']);
    });
  });
}
