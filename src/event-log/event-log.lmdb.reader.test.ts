import { describe, expect, it } from 'vitest';
import { batchKey, encodeOffsets, type LogDatabase, startsKey } from './event-log.lmdb.file.ts';
import type { LogHandle } from './event-log.lmdb.handle.ts';
import { createLogMarks } from './event-log.lmdb.marks.ts';
import { createLmdbReader } from './event-log.lmdb.reader.ts';
import { fillTake, type Take } from './event-log.lmdb.take.ts';
import { encodeRecordBatch } from './record-batch.ts';

/**
 * What a reader sees in the moment in which another thread's trim is in the file and not yet in the marks: one batch of
 * offsets 5 to 7 is left, and the marks still say that the log starts at 0.
 */
function amidTrimming() {
  const entries: { key: Buffer; value: Buffer }[] = [
    {
      key: batchKey(0, 5),
      value: encodeRecordBatch(
        ['f', 'g', 'h'].map((text) => Buffer.from(text)),
        1,
      ),
    },
    { key: startsKey, value: encodeOffsets([5]) },
  ];
  const database = {
    getBinary: (key: Buffer) => entries.find((entry) => entry.key.equals(key))?.value,
    *getRange({ start, reverse }: { readonly start: Buffer; readonly reverse?: boolean }) {
      const batches = entries.filter(({ key }) => key.length === start.length);
      yield* batches.filter(({ key }) => (reverse ? key.compare(start) <= 0 : key.compare(start) >= 0));
    },
  } as unknown as LogDatabase;
  const handle: LogHandle = {
    read: (work) => work(database),
    write: async () => undefined,
    touch: () => undefined,
    isDeleted: () => false,
    close: async () => undefined,
  };
  const marks = createLogMarks(1, '0190a3f0-0000-7000-8000-000000000000');
  marks.setEnd(0, 8);
  return { database, marks, reader: createLmdbReader(handle, marks, 1) };
}

describe('while the log is being trimmed', () => {
  it('a record that is gone is not found, and another is not taken for it', async () => {
    const { reader } = amidTrimming();
    for (const offset of [0, 4]) expect(await reader.recordAt(0, offset)).toBeNull();
    expect(await reader.recordAt(0, 5)).toMatchObject({ offset: 5, value: Buffer.from('f') });
  });

  it('a gap is known to be trimmed by the file itself', async () => {
    const { reader } = amidTrimming();
    expect(await reader.examineGap(0, 2, 8)).toEqual({ kind: 'trimmed', start: 5 });
  });

  it('a stream goes on with what is left', () => {
    const { database, marks } = amidTrimming();
    const take: Take = { records: [], bytes: 0, isFull: false, nextOffset: 2, batch: null };
    fillTake(database, marks, take, 0, { recordsMax: 100, bytesMax: 1_000, lingerMs: 0 });
    expect(take.records.map(({ offset, value }) => `${offset} ${Buffer.from(value)}`)).toEqual(['5 f', '6 g', '7 h']);
    expect(take.nextOffset).toBe(8);
  });
});
