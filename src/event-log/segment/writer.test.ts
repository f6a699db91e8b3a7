import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { boundsOf, numbered, recordsFor, textOf } from '../../testing/event-log.contract.harness.ts';
import type { RecordToAppend } from '../event-log.ts';
import { createSegmentEventLog, type SegmentEventLog } from './event-log.segment.ts';
import type { createSegment } from './files.ts';
import type { openTailFile, TailFile } from './tail-file.ts';

/** The real file; before and after each of its writes the test may wait, or fail it. */
const file = vi.hoisted(() => ({
  before: async () => {},
  after: async () => {},
  isLost: false,
  atOnce: 0,
  atOnceMax: 0,
}));
vi.mock('./tail-file.ts', async (importOriginal) => {
  const original = await importOriginal<{ openTailFile: typeof openTailFile }>();
  return {
    openTailFile(path: string): TailFile {
      const real = original.openTailFile(path);
      return {
        async write(bytes, position) {
          file.atOnce += 1;
          file.atOnceMax = Math.max(file.atOnceMax, file.atOnce);
          try {
            await file.before();
            await real.write(bytes, position);
            await file.after();
          } finally {
            file.atOnce -= 1;
          }
        },
        isLost: () => file.isLost,
        isAt: (path) => real.isAt(path),
        close: () => real.close(),
      };
    },
  };
});
const creating = vi.hoisted(() => ({ fails: false }));
vi.mock('./files.ts', async (importOriginal) => {
  const original = await importOriginal<{ createSegment: typeof createSegment }>();
  return {
    ...original,
    async createSegment(...args: Parameters<typeof createSegment>) {
      await original.createSegment(...args);
      if (creating.fails) throw new Error('the answer of the disk was lost');
    },
  };
});

const record = (partition: number, text = 'x'): RecordToAppend => ({ partition, value: Buffer.from(text) });
const once = (work: () => Promise<void> | void) => {
  let isDone = false;
  return async () => {
    if (isDone) return;
    isDone = true;
    await work();
  };
};

let directory: string;
let log: SegmentEventLog;
const segmentBytesMax = 16 * 1024;
const open = () => createSegmentEventLog({ directory, partitions: 2, segmentBytesMax });

beforeEach(async () => {
  const quiet = async () => {};
  Object.assign(file, { before: quiet, after: quiet, isLost: false, atOnce: 0, atOnceMax: 0 });
  creating.fails = false;
  directory = await mkdtemp(join(tmpdir(), 'esp-log-'));
  log = await open();
});
afterEach(async () => {
  await log.close();
  await rm(directory, { recursive: true });
});

async function reopen(): Promise<void> {
  await log.close();
  log = await open();
}

describe('an append', () => {
  it('is answered and shown only when it is durable', async () => {
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    file.after = once(() => {
      reached.resolve();
      return gate.promise;
    });
    let isAnswered = false;
    const appended = log.append([record(0), record(1), record(0)]).finally(() => {
      isAnswered = true;
    });
    await reached.promise;
    expect(isAnswered).toBe(false);
    expect([await boundsOf(log, 0), await boundsOf(log, 1)].map(({ end }) => end)).toEqual([0, 0]);
    gate.resolve();
    expect(await appended).toEqual([
      { partition: 0, offset: 0 },
      { partition: 1, offset: 0 },
      { partition: 0, offset: 1 },
    ]);
    expect([await boundsOf(log, 0), await boundsOf(log, 1)].map(({ end }) => end)).toEqual([2, 1]);
  });

  it.each([
    ['landed all the same', 'after'],
    ['did not land', 'before'],
  ] as const)('that failed and %s is written over by the next, and never shown', async (_, when) => {
    await log.append([record(0, 'first')]);
    file[when] = once(() => {
      throw new Error('the disk did not answer');
    });
    await expect(log.append(recordsFor(0, numbered('lost', 40)))).rejects.toBeInstanceOf(UnavailableError);
    expect(await log.append([record(0, 'second')])).toEqual([{ partition: 0, offset: 1 }]);
    expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 2 });
    await reopen();
    expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 2 });
    expect(textOf(await log.recordAt(0, 1))).toBe('second');
  });

  it('that failed last may be there after a restart, whole', async () => {
    file.after = once(() => {
      throw new Error('the disk did not answer');
    });
    await expect(log.append(recordsFor(1, numbered('unsure', 3)))).rejects.toMatchObject({ code: 'log_unavailable' });
    await reopen();
    expect(await boundsOf(log, 1)).toEqual({ start: 0, end: 3 });
    expect(textOf(await log.recordAt(1, 2))).toBe('unsure-2');
  });

  it('waits for the one before', async () => {
    await log.append([record(0), record(0)]);
    const answers = [log.append([record(0)]), log.append([record(0)]), log.append([record(1)])];
    expect((await Promise.all(answers)).flat()).toEqual([
      { partition: 0, offset: 2 },
      { partition: 0, offset: 3 },
      { partition: 1, offset: 0 },
    ]);
    expect(file.atOnceMax).toBe(1);
  });

  it('to a file that was deleted is not said to be safe', async () => {
    file.isLost = true;
    await expect(log.append([record(0)])).rejects.toMatchObject({ code: 'log_deleted' });
    file.isLost = false;
    expect((await boundsOf(log, 0)).end).toBe(0);
  });

  it('to a file that is deleted while it is written to is not said to be safe', async () => {
    file.after = once(() => {
      file.isLost = true;
    });
    await expect(log.append([record(0)])).rejects.toMatchObject({ code: 'log_deleted' });
    file.isLost = false;
    expect((await boundsOf(log, 0)).end).toBe(0);
  });

  it('is waited for by the end, and refused after it', async () => {
    const gate = Promise.withResolvers<void>();
    file.before = once(() => gate.promise);
    const appended = log.append([record(0)]);
    let isEnded = false;
    const ended = log.close().then(() => {
      isEnded = true;
    });
    await expect(log.append([record(0)])).rejects.toMatchObject({ code: 'log_closed' });
    await expect(log.trim(0, 1)).rejects.toMatchObject({ code: 'log_closed' });
    expect(isEnded).toBe(false);
    gate.resolve();
    await ended;
    expect(await appended).toHaveLength(1);
  });

  it('never goes on in a segment once the next one may be there', async () => {
    const texts = (name: string) => numbered(name.padEnd(1_000, '.'), 10);
    await log.append(recordsFor(0, texts('old')));
    creating.fails = true;
    await expect(log.append(recordsFor(0, texts('does not fit')))).rejects.toBeInstanceOf(UnavailableError);
    // This one would have fitted.
    await expect(log.append([record(0, 'small')])).rejects.toBeInstanceOf(UnavailableError);
    creating.fails = false;
    expect(await log.append([record(0, 'small')])).toEqual([{ partition: 0, offset: 10 }]);
    expect((await readdir(directory)).filter((name) => name.endsWith('.segment'))).toHaveLength(2);
    await reopen();
    expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 11 });
    expect(textOf(await log.recordAt(0, 10))).toBe('small');
    expect(textOf(await log.recordAt(0, 9))).toMatch(/^old/);
  });
});
