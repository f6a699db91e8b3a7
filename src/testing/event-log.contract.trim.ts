import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import {
  boundsOf,
  type MakeEventLogHarness,
  numbered,
  openStream,
  recordsFor,
  takeRecords,
  textOf,
  useLog,
} from './event-log.contract.harness.ts';

const one = { recordsMax: 1, bytesMax: 1_000_000 };

export function trimCases(makeHarness: MakeEventLogHarness): void {
  describe('trim', () => {
    const current = useLog(makeHarness, 2);

    it('removes what is below, exactly, and nothing else', async () => {
      const { log } = current();
      await log.append(recordsFor(0, numbered('a', 10)));
      await log.append(recordsFor(0, numbered('b', 10)));
      await log.append(recordsFor(1, numbered('other', 5)));
      for (const below of [3, 10, 14]) {
        await log.trim(0, below);
        expect(await boundsOf(log, 0)).toEqual({ start: below, end: 20 });
        expect(await log.recordAt(0, below - 1)).toBeNull();
        expect(await log.recordAt(0, below)).toMatchObject({ offset: below });
      }
      expect(textOf(await log.recordAt(0, 14))).toBe('b-4');
      expect(await boundsOf(log, 1)).toEqual({ start: 0, end: 5 });
      expect(textOf(await log.recordAt(1, 0))).toBe('other-0');
    });

    it('never moves the start back', async () => {
      const { log } = current();
      await log.append(recordsFor(0, numbered('a', 10)));
      await log.trim(0, 6);
      for (const below of [6, 2, 0]) await log.trim(0, below);
      expect(await boundsOf(log, 0)).toEqual({ start: 6, end: 10 });
    });

    it('of everything leaves the end where it was, also over close and open', async () => {
      const { harness, log } = current();
      await log.append(recordsFor(0, numbered('a', 10)));
      await log.trim(0, 10);
      expect(await boundsOf(log, 0)).toEqual({ start: 10, end: 10 });
      await log.close();
      const reopened = await harness.open();
      expect(await boundsOf(reopened, 0)).toEqual({ start: 10, end: 10 });
      const [next] = await reopened.append(recordsFor(0, ['next']));
      expect(next).toEqual({ partition: 0, offset: 10 });
      expect(textOf(await reopened.recordAt(0, 10))).toBe('next');
    });

    it('lets a stream below the start go on at the start', async () => {
      const { log } = current();
      for (let call = 0; call < 5; call += 1) await log.append(recordsFor(0, numbered(`c${call}`, 10)));
      const { stream, consumer } = await openStream(log);
      expect(await takeRecords(stream, 0, 3, { recordsMax: 3, bytesMax: 1_000_000 })).toHaveLength(3);
      await log.trim(0, 27);
      // What it has read ahead it may still deliver.
      const offsets: number[] = [];
      while (offsets.at(-1) !== 49) offsets.push((await takeRecords(stream, 0, 1, one))[0]!.offset);
      expect(offsets.filter((offset) => offset >= 27)).toEqual(Array.from({ length: 23 }, (_, nth) => 27 + nth));
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      await consumer.close();

      const { stream: fromZero } = await openStream(log);
      const records = await takeRecords(fromZero, 0, 23);
      expect(records[0]).toMatchObject({ offset: 27 });
      expect(records.map(textOf)).toEqual([
        ...numbered('c2', 10).slice(7),
        ...numbered('c3', 10),
        ...numbered('c4', 10),
      ]);
    });

    it('of everything makes a stream below wait for what is new', async () => {
      const { log } = current();
      await log.append(recordsFor(0, numbered('a', 10)));
      await log.trim(0, 10);
      const { stream } = await openStream(log);
      await vi.waitFor(async () => {
        expect(await stream.next(0, one, 30, AbortSignal.timeout(9_000))).toMatchObject({ records: [], end: 10 });
      });
      await log.append(recordsFor(0, ['new']));
      expect((await takeRecords(stream, 0, 1)).map(textOf)).toEqual(['new']);
    });

    it('goes along with appends', async () => {
      const { log } = current();
      let offset = 0;
      const appending = (async () => {
        for (let call = 0; call < 120; call += 1) {
          const positions = await log.append(recordsFor(0, numbered(`c${call}`, 5)));
          expect(positions.map((position) => position.offset)).toEqual([0, 1, 2, 3, 4].map((nth) => offset + nth));
          offset += 5;
        }
      })();
      while (offset < 600) {
        await log.trim(0, Math.max(0, offset - 20));
        const { start, end } = await boundsOf(log, 0);
        expect(start).toBeLessThanOrEqual(end);
        if (start < end) expect(await log.recordAt(0, end - 1)).not.toBeNull();
        // A trim that finds nothing to do may answer at once.
        await nextTurn();
      }
      await appending;
      await log.trim(0, 600);
      expect(await boundsOf(log, 0)).toEqual({ start: 600, end: 600 });
    });
  });

  describe('examineGap', () => {
    const current = useLog(makeHarness, 2);

    it('tells data, nothing, and what was trimmed apart', async () => {
      const { log } = current();
      await log.append(recordsFor(0, numbered('a', 10)));
      await log.append(recordsFor(0, numbered('b', 10)));
      expect(await log.examineGap(0, 0, 1)).toEqual({ kind: 'data' });
      expect(await log.examineGap(0, 7, 12)).toEqual({ kind: 'data' });
      expect(await log.examineGap(0, 20, 20)).toEqual({ kind: 'no_data' });
      await log.trim(0, 13);
      expect(await log.examineGap(0, 0, 5)).toEqual({ kind: 'trimmed', start: 13 });
      expect(await log.examineGap(0, 12, 20)).toEqual({ kind: 'trimmed', start: 13 });
      expect(await log.examineGap(0, 13, 20)).toEqual({ kind: 'data' });
      await log.trim(0, 20);
      expect(await log.examineGap(0, 13, 20)).toEqual({ kind: 'trimmed', start: 20 });
    });

    it('can not tell what lies beyond the end', async () => {
      const { log } = current();
      await log.append(recordsFor(0, numbered('a', 10)));
      await expect(log.examineGap(0, 10, 11)).rejects.toBeInstanceOf(UnavailableError);
      await expect(log.examineGap(0, 12, 15)).rejects.toBeInstanceOf(UnavailableError);
      await expect(log.examineGap(1, 0, 1)).rejects.toBeInstanceOf(UnavailableError);
    });
  });
}
