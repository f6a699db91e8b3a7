import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { encodeOffsets, endsKey, type LogDatabase, readOffsets, startsKey } from './event-log.lmdb.file.ts';
import type { LogHandle } from './event-log.lmdb.handle.ts';
import { createLogMarks } from './event-log.lmdb.marks.ts';
import { createLmdbWriter, planAppend } from './event-log.lmdb.writer.ts';
import type { RecordToAppend } from './event-log.ts';

const partitions = 2;
const record = (partition: number, bytes = 1): RecordToAppend => ({ partition, value: Buffer.alloc(bytes) });

/** The writer over a file in memory, whose transactions go as the test says. */
function setUp() {
  let values = new Map<string, Buffer>();
  const over = (map: Map<string, Buffer>) => {
    const database = {
      getBinary: (key: Buffer) => map.get(key.toString('hex')),
      put: (key: Buffer, value: Buffer) => void map.set(key.toString('hex'), value),
      remove: (key: Buffer) => void map.delete(key.toString('hex')),
    };
    return database as unknown as LogDatabase;
  };
  over(values).put(endsKey, encodeOffsets([0, 0]));
  over(values).put(startsKey, encodeOffsets([0, 0]));

  const file = {
    /** Runs before the transaction counts, and after: may wait, or throw. */
    before: async () => {},
    after: async () => {},
    isDeleted: false,
    atOnce: 0,
    atOnceMax: 0,
  };
  const handle: LogHandle = {
    read: (work) => work(over(values)),
    async write(put) {
      file.atOnce += 1;
      file.atOnceMax = Math.max(file.atOnceMax, file.atOnce);
      try {
        await file.before();
        const next = new Map(values);
        put(over(next));
        values = next;
        await file.after();
      } finally {
        file.atOnce -= 1;
      }
    },
    touch: () => undefined,
    isDeleted: () => file.isDeleted,
    close: async () => undefined,
  };
  const marks = createLogMarks(partitions, '0190a3f0-0000-7000-8000-000000000000');
  const path = join(tmpdir(), 'log.mdb');
  const writer = createLmdbWriter({ handle, path, partitions, marks, now: () => 1_000 });
  const durableEnds = () => readOffsets(over(values), endsKey, partitions);
  return { writer, marks, file, durableEnds };
}

const once = (work: () => Promise<void> | void) => {
  let isDone = false;
  return async () => {
    if (isDone) return;
    isDone = true;
    await work();
  };
};

describe('an append', () => {
  it('is answered and shown only when its transaction is durable', async () => {
    const { writer, marks, file, durableEnds } = setUp();
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    file.after = once(() => {
      reached.resolve();
      return gate.promise;
    });
    let isAnswered = false;
    const appended = writer.append([record(0), record(1), record(0)]).finally(() => {
      isAnswered = true;
    });
    await reached.promise;
    expect([isAnswered, marks.end(0), marks.end(1)]).toEqual([false, 0, 0]);
    gate.resolve();
    expect(await appended).toEqual([
      { partition: 0, offset: 0 },
      { partition: 1, offset: 0 },
      { partition: 0, offset: 1 },
    ]);
    expect([marks.end(0), marks.end(1)]).toEqual([2, 1]);
    expect(durableEnds()).toEqual([2, 1]);
  });

  it('that failed though it had landed gives none of its offsets to the next', async () => {
    const { writer, marks, file } = setUp();
    await writer.append([record(0)]);
    file.after = once(() => {
      throw new Error('the answer of the disk was lost');
    });
    await expect(writer.append([record(0), record(0)])).rejects.toBeInstanceOf(UnavailableError);
    expect(await writer.append([record(0)])).toEqual([{ partition: 0, offset: 3 }]);
    expect(marks.end(0)).toBe(4);
  });

  it('that failed as a whole leaves its offsets to the next', async () => {
    const { writer, marks, file } = setUp();
    file.before = once(() => {
      throw new Error('no');
    });
    const failed = writer.append([record(0)]);
    const next = writer.append([record(0)]);
    await expect(failed).rejects.toMatchObject({ name: 'UnavailableError', code: 'log_unavailable' });
    expect(await next).toEqual([{ partition: 0, offset: 0 }]);
    expect(marks.end(0)).toBe(1);
  });

  it('waits for the one before', async () => {
    const { writer, file, marks } = setUp();
    await writer.append([record(0), record(0)]);
    const answers = [writer.append([record(0)]), writer.append([record(0)]), writer.append([record(1)])];
    expect((await Promise.all(answers)).flat()).toEqual([
      { partition: 0, offset: 2 },
      { partition: 0, offset: 3 },
      { partition: 1, offset: 0 },
    ]);
    expect(file.atOnceMax).toBe(1);
    expect(marks.end(0)).toBe(4);
  });

  it('to a file that was deleted is not said to be safe', async () => {
    const { writer, file, marks } = setUp();
    file.isDeleted = true;
    await expect(writer.append([record(0)])).rejects.toMatchObject({ code: 'log_deleted' });
    expect(marks.end(0)).toBe(0);
  });

  it('is waited for by the end, and refused after it', async () => {
    const { writer, file } = setUp();
    const gate = Promise.withResolvers<void>();
    file.before = () => gate.promise;
    const appended = writer.append([record(0)]);
    let isEnded = false;
    const ended = writer.end().then(() => {
      isEnded = true;
    });
    await expect(writer.append([record(0)])).rejects.toMatchObject({ code: 'log_closed' });
    await expect(writer.trim(0, 1)).rejects.toMatchObject({ code: 'log_closed' });
    expect(isEnded).toBe(false);
    gate.resolve();
    await ended;
    expect(await appended).toHaveLength(1);
  });
});

describe('records of one append and partition', () => {
  it('are kept together, up to the size that is read at a time', () => {
    const records = Array.from({ length: 100 }, () => record(0, 10_000));
    const { batches, ends } = planAppend(records, [7, 0], 1_000);
    expect(batches.length).toBeGreaterThan(2);
    for (const { value } of batches) expect(value.length).toBeLessThanOrEqual(limits.logBatchBytesMax + 20);
    expect(ends).toEqual([107, 0]);
  });

  it('stand alone where one is larger than that', () => {
    const records = [record(1, 10), record(1, limits.logBatchBytesMax * 2), record(1, 10)];
    expect(planAppend(records, [0, 0], 1_000).batches).toHaveLength(3);
  });
});
