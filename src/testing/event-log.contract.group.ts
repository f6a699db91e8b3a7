import { describe, expect, it, vi } from 'vitest';
import type { LogAssignment } from '../event-log/event-log.ts';
import {
  joinGroup,
  longMs,
  type MakeEventLogHarness,
  never,
  openStream,
  plentiful,
  recordsFor,
  takeRecords,
  textOf,
  useLog,
} from './event-log.contract.harness.ts';

export function groupCases(makeHarness: MakeEventLogHarness): void {
  describe('the consumer group', () => {
    const current = useLog(makeHarness, 4);

    it('gives a member that is alone every partition', async () => {
      const { log } = current();
      const { assignment } = await joinGroup(log);
      expect([...assignment.partitions].sort()).toEqual([0, 1, 2, 3]);
      expect(assignment.ended.aborted).toBe(false);
      await assignment.confirm();
    });

    it('ends an assignment when another member joins', async () => {
      const { harness, log } = current();
      const reader = await harness.openReader();
      const first = await openStream(reader);
      const pending = expect(first.stream.next(0, plentiful, longMs, first.assignment.ended)).rejects.toThrow();
      // The others may be waiting for it.
      const closed = pending.then(() => first.stream.close());
      const second = await openStream(log);
      await closed;
      await vi.waitFor(() => expect(first.assignment.ended.aborted).toBe(true), { timeout: 15_000 });
      await expect(first.assignment.confirm()).rejects.toThrow(Error);
      await expect(first.assignment.open(new Map([[0, 0]]))).rejects.toThrow(Error);
      await second.assignment.confirm();
      await log.append(recordsFor(second.assignment.partitions[0]!, ['for the second']));
      const records = await takeRecords(second.stream, second.assignment.partitions[0]!, 1);
      expect(records.map(textOf)).toEqual(['for the second']);
      await reader.close();
    });

    it('lets a member join again', async () => {
      const { log } = current();
      await log.append(recordsFor(0, ['one']));
      for (let round = 0; round < 3; round += 1) {
        const { consumer, assignment, stream } = await openStream(log);
        expect((await takeRecords(stream, 0, 1)).map(textOf)).toEqual(['one']);
        await assignment.confirm();
        await consumer.close();
      }
    });

    it('has nothing left for a member that leaves', async () => {
      const { log } = current();
      const consumer = await log.join();
      const given: LogAssignment[] = [];
      const iterated = (async () => {
        for await (const assignment of consumer.assignments()) given.push(assignment);
      })();
      await vi.waitFor(() => expect(given).toHaveLength(1), { timeout: 15_000 });
      const stream = await given[0]!.open(new Map([[0, 0]]));
      const pending = stream.next(0, plentiful, longMs, never);
      const leaving = consumer.close();
      await expect(pending).rejects.toThrow();
      await leaving;
      await iterated;
      expect(given[0]!.ended.aborted).toBe(true);
      await expect(given[0]!.confirm()).rejects.toThrow(Error);
      await consumer.close();
    });

    it('has one stream at a time, and another once that is closed', async () => {
      const { log } = current();
      await log.append(recordsFor(0, ['one', 'two']));
      const { assignment, stream } = await openStream(log);
      expect((await takeRecords(stream, 0, 2)).map(textOf)).toEqual(['one', 'two']);
      await expect(assignment.open(new Map([[0, 0]]))).rejects.toThrow(Error);
      await stream.close();
      const another = await assignment.open(new Map([[0, 1]]));
      // The one before was closed already: that it is closed again concerns nobody.
      await stream.close();
      await expect(assignment.open(new Map([[0, 0]]))).rejects.toThrow(Error);
      expect((await takeRecords(another, 0, 1)).map(textOf)).toEqual(['two']);
    });

    it('ends what waits on a stream when the stream is closed', async () => {
      const { log } = current();
      const { assignment, stream } = await openStream(log);
      const pending = stream.next(0, plentiful, longMs, never);
      const closing = stream.close();
      await expect(pending).rejects.toThrow();
      await closing;
      await expect(stream.next(0, plentiful, longMs, never)).rejects.toThrow();
      expect(assignment.ended.aborted).toBe(false);
    });
  });

  describe('close', () => {
    const current = useLog(makeHarness, 2);

    it('ends waits and consumers, and what comes after it throws', async () => {
      const { log } = current();
      await log.append(recordsFor(0, ['x']));
      const { consumer, assignment, stream } = await openStream(log, { 0: 1 });
      const pending = stream.next(0, plentiful, longMs, never);
      const waiting = stream.untilRecords(1, longMs, never);
      const ends = [pending, waiting].map((wait) => expect(wait).rejects.toThrow());
      const closing = log.close();
      await Promise.all(ends);
      await closing;
      expect(assignment.ended.aborted).toBe(true);
      const calls = {
        append: () => log.append(recordsFor(0, ['y'])),
        trim: () => log.trim(0, 1),
        describe: () => log.describe(),
        recordAt: () => log.recordAt(0, 0),
        examineGap: () => log.examineGap(0, 0, 1),
        join: () => log.join(),
        next: () => stream.next(0, plentiful, 1, never),
        confirm: () => assignment.confirm(),
      };
      for (const [name, call] of Object.entries(calls)) await expect(call(), name).rejects.toThrow(Error);
      await consumer.close();
      await log.close();
    });

    it('waits for appends that are under way', async () => {
      const { harness, log } = current();
      const appends = [0, 1, 2].map((nth) => log.append(recordsFor(0, [`nth ${nth}`])));
      await log.close();
      const positions = (await Promise.all(appends)).flat();
      const reopened = await harness.open();
      for (const [nth, { offset }] of positions.entries()) {
        expect(textOf(await reopened.recordAt(0, offset))).toBe(`nth ${nth}`);
      }
    });
  });
}
