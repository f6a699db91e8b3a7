import { describe, expect, it } from 'vitest';
import type { EventLog, LogStream } from '../event-log/event-log.ts';
import {
  appendAll,
  boundsOf,
  longMs,
  type MakeEventLogHarness,
  never,
  numbered,
  openStream,
  plentiful,
  recordsFor,
  takeRecords,
  textOf,
  useLog,
} from './event-log.contract.harness.ts';

export function streamCases(makeHarness: MakeEventLogHarness): void {
  describe('a stream', () => {
    const current = useLog(makeHarness, 4);

    it('starts where it is told, also inside of what was appended together', async () => {
      const { log } = current();
      const positions = await log.append(recordsFor(0, numbered('a', 10)));
      await log.append(recordsFor(0, numbered('b', 10)));
      for (const first of [0, 1, 4, 9]) {
        const { stream, consumer } = await openStream(log, { 0: positions[first]!.offset });
        const records = await takeRecords(stream, 0, 20 - first);
        expect(records.map(textOf)).toEqual([...numbered('a', 10).slice(first), ...numbered('b', 10)]);
        await consumer.close();
      }
    });

    it('started at the end delivers only what is newer', async () => {
      const { log } = current();
      await log.append(recordsFor(0, ['older']));
      const { stream } = await openStream(log, { 0: (await boundsOf(log, 0)).end });
      await log.append(recordsFor(0, ['newer']));
      expect((await takeRecords(stream, 0, 1)).map(textOf)).toEqual(['newer']);
    });

    it('keeps to the number of records', async () => {
      const { log } = current();
      await log.append(recordsFor(0, numbered('n', 10)));
      const { stream } = await openStream(log);
      const sizes: number[] = [];
      for (let read = 0; read < 10; read += sizes.at(-1)!) {
        const batch = await stream.next(0, { ...plentiful, recordsMax: 4 }, longMs, never);
        sizes.push(batch.records.length);
      }
      expect(Math.max(...sizes)).toBe(4);
      expect(sizes.reduce((sum, size) => sum + size)).toBe(10);
    });

    it('keeps to the bytes, but for a record that is larger by itself', async () => {
      const { log } = current();
      const sizes = [400, 400, 400, 5_000, 100, 100];
      await log.append(sizes.map((size) => ({ partition: 0, value: Buffer.alloc(size) })));
      const { stream } = await openStream(log);
      const batches: number[][] = [];
      for (let read = 0; read < sizes.length; ) {
        const { records } = await stream.next(0, { ...plentiful, bytesMax: 1_000 }, longMs, never);
        batches.push(records.map(({ value }) => value.length));
        read += records.length;
      }
      expect(batches.flat()).toEqual(sizes);
      for (const batch of batches) {
        if (batch.length > 1) expect(batch.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(1_000);
      }
      expect(batches).toContainEqual([5_000]);
    });

    it('tells when a record is there, and what comes until it is taken is in the same batch', async () => {
      const { log } = current();
      const { stream } = await openStream(log);
      const isThere = stream.untilRecords(0, longMs, never);
      await log.append(recordsFor(0, ['first']));
      expect(await isThere).toBe(true);
      await log.append(recordsFor(0, numbered('more', 2)));
      expect(await stream.untilRecords(0, longMs, never)).toBe(true);
      expect((await takeRecords(stream, 0, 3)).map(textOf)).toEqual(['first', ...numbered('more', 2)]);
    });

    it('tells when nothing came, and of no other partition', async () => {
      const { log } = current();
      const { stream } = await openStream(log);
      await log.append(recordsFor(1, ['elsewhere']));
      expect(await stream.untilRecords(1, longMs, never)).toBe(true);
      const begun = performance.now();
      expect(await stream.untilRecords(0, 60, never)).toBe(false);
      expect(performance.now() - begun).toBeGreaterThan(50);
      await log.append(recordsFor(0, ['taken']));
      await takeRecords(stream, 0, 1);
      expect(await stream.untilRecords(0, 1, never)).toBe(false);
    });

    it('hands out at once what is there, and nothing where nothing is', async () => {
      const { log } = current();
      const { stream } = await openStream(log);
      await log.append(recordsFor(0, ['alone']));
      await stream.untilRecords(0, longMs, never);
      expect((await stream.next(0, plentiful, 0, never)).records.map(textOf)).toEqual(['alone']);
      expect(await stream.next(0, plentiful, 0, never)).toMatchObject({ records: [] });
    });

    it('answers with a fresh end when nothing came', async () => {
      const { log } = current();
      const { stream } = await openStream(log);
      await log.append(recordsFor(0, numbered('x', 3)));
      await takeRecords(stream, 0, 3);
      const { end } = await boundsOf(log, 0);
      const begun = performance.now();
      const batch = await stream.next(0, plentiful, 60, never);
      expect(performance.now() - begun).toBeGreaterThan(50);
      expect(batch).toMatchObject({ partition: 0, records: [], end });
      expect(await stream.next(1, plentiful, 1, never)).toMatchObject({ partition: 1, records: [], end: 0 });
    });

    it('wakes up for an append, also of another handle', async () => {
      const { harness, log } = current();
      const reader = await harness.openReader();
      const { stream } = await openStream(reader);
      for (let round = 0; round < 20; round += 1) {
        const next = stream.next(2, plentiful, longMs, never);
        const [position] = await log.append(recordsFor(2, [`round ${round}`]));
        const batch = await next;
        expect(batch.records.map(textOf)).toEqual([`round ${round}`]);
        expect(batch.end).toBeGreaterThan(position!.offset);
        batch.acknowledge(batch.end);
      }
      await reader.close();
    });

    it('ends a wait with the reason of its signal, and loses nothing by it', async () => {
      const { log } = current();
      const { stream } = await openStream(log);
      const reason = new Error('enough');
      const waiting = new AbortController();
      const idle = stream.next(0, plentiful, longMs, waiting.signal);
      waiting.abort(reason);
      await expect(idle).rejects.toBe(reason);
      await expect(stream.next(0, plentiful, longMs, waiting.signal)).rejects.toBe(reason);

      const waitingForRecords = new AbortController();
      const untilRecords = stream.untilRecords(0, longMs, waitingForRecords.signal);
      waitingForRecords.abort(reason);
      await expect(untilRecords).rejects.toBe(reason);
      await expect(stream.untilRecords(0, longMs, waiting.signal)).rejects.toBe(reason);
      await log.append(recordsFor(0, ['kept']));
      expect((await takeRecords(stream, 0, 1)).map(textOf)).toEqual(['kept']);
    });

    it('takes one call at a time for a partition', async () => {
      const { log } = current();
      const { stream } = await openStream(log);
      const pending = stream.next(0, plentiful, longMs, never);
      await expect(stream.next(0, plentiful, longMs, never)).rejects.toThrow(Error);
      await expect(stream.untilRecords(0, longMs, never)).rejects.toThrow(Error);
      await log.append(recordsFor(0, ['one']));
      expect((await pending).records.map(textOf)).toEqual(['one']);
      await log.append(recordsFor(0, ['two']));
      expect((await takeRecords(stream, 0, 1)).map(textOf)).toEqual(['two']);
    });

    it('reads only the partitions it was opened for', async () => {
      const { log } = current();
      await appendAll(
        log,
        [0, 1, 2, 3].flatMap((partition) => recordsFor(partition, [`p${partition}`])),
      );
      const consumer = await log.join();
      for await (const assignment of consumer.assignments()) {
        const stream = await assignment.open(new Map([[1, 0]]));
        expect((await takeRecords(stream, 1, 1)).map(textOf)).toEqual(['p1']);
        await expect(stream.next(0, plentiful, longMs, never)).rejects.toThrow(Error);
        break;
      }
    });

    it('delivers every record once and in order while others append', async () => {
      const { harness, log } = current();
      const reader = await harness.openReader();
      const { stream } = await openStream(reader);
      const each = 1_500;
      const reading = [0, 1, 2, 3].map((partition) => readVaried(stream, partition, each));
      await appendVaried(log, each);
      for (const [partition, records] of (await Promise.all(reading)).entries()) {
        expect(records).toEqual(numbered(`p${partition}`, each));
      }
      await reader.close();
    });
  });
}

/** `each` records to every partition, in groups of changing size and mixture. */
async function appendVaried(log: EventLog, each: number): Promise<void> {
  const given = new Array<number>(log.partitions).fill(0);
  for (let group = 1; given.some((count) => count < each); group += 1) {
    const records = given.flatMap((count, partition) => {
      const size = Math.min((group * (partition + 3) * 7) % 23, each - count);
      given[partition] = count + size;
      return Array.from({ length: size }, (_, index) => ({
        partition,
        value: Buffer.from(`p${partition}-${count + index}`),
      }));
    });
    await appendAll(log, records);
  }
}

async function readVaried(stream: LogStream, partition: number, count: number): Promise<(string | null)[]> {
  const texts: (string | null)[] = [];
  for (let turn = 1; texts.length < count; turn += 1) {
    const limits = { recordsMax: 1 + ((turn * 13) % 50), bytesMax: 50 + ((turn * 97) % 900) };
    const { records } = await stream.next(partition, limits, 5 + (turn % 7), never);
    texts.push(...records.map(textOf));
  }
  return texts;
}
