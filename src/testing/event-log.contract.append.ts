import { describe, expect, it } from 'vitest';
import type { RecordToAppend } from '../event-log/event-log.ts';
import {
  appendAll,
  boundsOf,
  type MakeEventLogHarness,
  numbered,
  openStream,
  recordsFor,
  takeRecords,
  textOf,
  useLog,
} from './event-log.contract.harness.ts';

export function appendCases(makeHarness: MakeEventLogHarness): void {
  describe('append', () => {
    const current = useLog(makeHarness, 4);

    it('answers the positions at which the records are found', async () => {
      const { log } = current();
      const records = [0, 3, 1, 3, 0, 3].map((partition, index) => ({ partition, value: Buffer.from(`r${index}`) }));
      const before = Date.now();
      const positions = await appendAll(log, records);
      expect(positions.map(({ partition }) => partition)).toEqual([0, 3, 1, 3, 0, 3]);
      for (const [index, { partition, offset }] of positions.entries()) {
        const record = await log.recordAt(partition, offset);
        expect(record).toMatchObject({ partition, offset });
        expect(textOf(record)).toBe(`r${index}`);
        expect(record!.timestamp).toBeGreaterThanOrEqual(before);
        expect(record!.timestamp).toBeLessThanOrEqual(Date.now());
      }
    });

    it('keeps the order of a call, and of calls that wait for one another', async () => {
      const { log } = current();
      for (let call = 0; call < 5; call += 1) await log.append(recordsFor(2, numbered(`call${call}`, 7)));
      const { stream } = await openStream(log);
      const records = await takeRecords(stream, 2, 35);
      expect(records.map(textOf)).toEqual([0, 1, 2, 3, 4].flatMap((call) => numbered(`call${call}`, 7)));
      for (const [index, record] of records.slice(1).entries()) {
        expect(record.offset).toBeGreaterThan(records[index]!.offset);
      }
    });

    it('gives calls that overlap places of their own', async () => {
      const { log } = current();
      const calls = numbered('call', 40).map((text, index) => recordsFor(index % 4, [text, `${text}+`]));
      const answers = await Promise.all(calls.map((records) => log.append(records)));
      const places = new Set<string>();
      for (const [call, positions] of answers.entries()) {
        for (const [index, { partition, offset }] of positions.entries()) {
          places.add(`${partition}/${offset}`);
          const record = await log.recordAt(partition, offset);
          expect(textOf(record)).toBe(Buffer.from(calls[call]![index]!.value).toString());
        }
      }
      expect(places.size).toBe(80);
    });

    it('takes values of any bytes and size', async () => {
      const { log } = current();
      const values = [
        Buffer.alloc(0),
        Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
        Buffer.alloc(300 * 1024, 'large'),
        Buffer.alloc(1, 0),
      ];
      await log.append(values.map((value) => ({ partition: 1, value })));
      const { stream } = await openStream(log);
      const records = await takeRecords(stream, 1, values.length);
      expect(records.map(({ value }, nth) => values[nth]!.equals(value))).toEqual(values.map(() => true));
    });

    it('takes a group of 4 MiB as one call', async () => {
      const { log } = current();
      const records: RecordToAppend[] = Array.from({ length: 4096 }, (_, index) => ({
        partition: 0,
        value: Buffer.alloc(1024, `${index}.`),
      }));
      const positions = await log.append(records);
      const { stream } = await openStream(log);
      const read = await takeRecords(stream, 0, records.length);
      expect(read.map(({ offset }) => offset)).toEqual(positions.map(({ offset }) => offset));
      expect(read.every(({ value }, index) => Buffer.from(value).equals(records[index]!.value))).toBe(true);
    });

    it('lets the caller use its buffers again', async () => {
      const { log } = current();
      const value = Buffer.from('before');
      const [position] = await log.append([{ partition: 0, value }]);
      value.write('after!');
      expect(textOf(await log.recordAt(0, position!.offset))).toBe('before');
    });

    it('takes nothing where there is nothing', async () => {
      const { log } = current();
      expect(await log.append([])).toEqual([]);
      expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 0 });
    });

    it('refuses a partition that the log does not have', async () => {
      const { log } = current();
      for (const partition of [4, -1, 0.5]) {
        await expect(log.append([{ partition, value: Buffer.from('x') }])).rejects.toThrow(RangeError);
      }
      await expect(log.recordAt(4, 0)).rejects.toThrow(RangeError);
    });
  });

  describe('describe and recordAt', () => {
    const current = useLog(makeHarness, 4);

    it('shows a new log as empty', async () => {
      const { log } = current();
      expect(log.partitions).toBe(4);
      const { logId, partitions } = await log.describe();
      expect(logId).toMatch(/./);
      expect(partitions).toEqual([0, 1, 2, 3].map((partition) => ({ partition, start: 0, end: 0 })));
    });

    it('moves the end with every append, at once, for every reader', async () => {
      const { harness, log } = current();
      const reader = await harness.openReader();
      for (let round = 1; round <= 20; round += 1) {
        const [position] = await log.append(recordsFor(1, [`round ${round}`]));
        expect((await boundsOf(log, 1)).end).toBeGreaterThan(position!.offset);
        expect((await boundsOf(reader, 1)).end).toBeGreaterThan(position!.offset);
        expect(textOf(await reader.recordAt(1, position!.offset))).toBe(`round ${round}`);
      }
      expect(await boundsOf(reader, 0)).toEqual({ start: 0, end: 0 });
      await reader.close();
    });

    it('finds no record where none is', async () => {
      const { log } = current();
      expect(await log.recordAt(0, 0)).toBeNull();
      const [position] = await log.append(recordsFor(0, ['only']));
      expect(await log.recordAt(0, position!.offset + 1)).toBeNull();
      expect(await log.recordAt(0, position!.offset + 1_000_000)).toBeNull();
      expect(await log.recordAt(1, position!.offset)).toBeNull();
    });

    it('names the log: the same for every handle, another for another log', async () => {
      const { harness, log } = current();
      const { logId } = await log.describe();
      const reader = await harness.openReader();
      expect((await reader.describe()).logId).toBe(logId);
      await reader.close();
      const other = await makeHarness({ partitions: 4 });
      const otherLog = await other.open();
      expect((await otherLog.describe()).logId).not.toBe(logId);
      await other.dispose();
    });

    it('keeps everything over close and open', async () => {
      const { harness, log } = current();
      const texts = numbered('kept', 50);
      const positions = await appendAll(
        log,
        texts.map((text, index) => ({ partition: index % 3, value: Buffer.from(text) })),
      );
      const before = await log.describe();
      await log.close();
      const reopened = await harness.open();
      expect(await reopened.describe()).toEqual(before);
      for (const [index, { partition, offset }] of positions.entries()) {
        expect(textOf(await reopened.recordAt(partition, offset))).toBe(texts[index]);
      }
      const [next] = await reopened.append(recordsFor(0, ['next']));
      expect(next!.offset).toBeGreaterThanOrEqual(before.partitions[0]!.end);
    });
  });
}
