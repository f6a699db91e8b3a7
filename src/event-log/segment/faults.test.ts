/**
 * The segment log on a disk whose calls fail, under a process that dies between any two of them. First the faults that
 * it was once not up to, by name; then 300 seeds of generated ones: ESP_TEST_SEED=17 runs seed 17 alone; then every
 * byte that may rot.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { DamagedError, StartupError } from '../../domain/failure.ts';
import type { limits } from '../../domain/limits.ts';
import { boundsOf, textOf } from '../../testing/event-log.contract.harness.ts';
import { logOnDisk, playLog } from '../../testing/log-on-faulty-disk.ts';
import { rotEach } from '../../testing/log-with-rot.ts';
import { createRandom, type Random } from '../../testing/random.ts';
import { createSimulatedDisk, type DiskFile, type SimulatedDisk } from '../../testing/simulated-disk.ts';
import { type CallName, createSimulatedFiles, type SimulatedFiles } from '../../testing/simulated-files.ts';
import { createSegmentEventLog, type SegmentEventLog } from './event-log.segment.ts';

const kernel = vi.hoisted(() => ({ files: null as unknown as SimulatedFiles }));
vi.mock('node:fs', async (importOriginal) => {
  const { constants } = await importOriginal<typeof import('node:fs')>();
  const names = ['openSync', 'closeSync', 'readSync', 'statSync', 'fstatSync', 'write', 'fdatasync', 'close'] as const;
  type Call = (...args: unknown[]) => unknown;
  const calls = names.map((name) => [name, (...args: unknown[]) => (kernel.files.fs[name] as Call)(...args)]);
  return { constants, ...Object.fromEntries(calls) };
});
vi.mock('node:fs/promises', () => {
  const names = ['open', 'readdir', 'rename', 'mkdir', 'rm'] as const;
  type Call = (...args: unknown[]) => unknown;
  return Object.fromEntries(
    names.map((name) => [name, (...args: unknown[]) => (kernel.files.promises[name] as Call)(...args)]),
  );
});
/** Always the last choice: nothing fails, is short, or comes down by itself. */
const unlucky: Random = { next: () => 0.999, below: (limit) => limit - 1, pick: (items) => items.at(-1)! };

/** Everything is small, so that a short run comes past every edge. */
vi.mock('../../domain/limits.ts', async (importOriginal) => {
  const original = await importOriginal<{ limits: typeof limits }>();
  return {
    limits: {
      ...original.limits,
      logBatchBytesMax: 400,
      logScratchBytes: 600,
      logFillBytes: 3_000,
      logFillAppendBytesMax: 900,
      logChunkBytes: 700,
      logChunksBytesMax: 4_000,
      // Timers outlive the simulated process, and must not close files in the next one.
      logChunksIdleMs: 2 ** 31 - 1,
      logFilesOpenMax: 2,
      logIndexedSegmentsMax: 2,
      logSegmentsRemovedMax: 2,
    },
  };
});

const { directory } = logOnDisk;

describe('of one fault', () => {
  let disk: SimulatedDisk;

  /** Another process over the same disk. */
  function start(): SimulatedFiles {
    kernel.files = createSimulatedFiles(disk, unlucky);
    return kernel.files;
  }
  beforeEach(() => {
    disk = createSimulatedDisk(unlucky);
    start();
  });

  const open = () => createSegmentEventLog(logOnDisk);
  const append = (log: SegmentEventLog, text: string) => log.append([{ partition: 0, value: Buffer.from(text) }]);
  /** The second append of a log waits for the zeros that were begun after the first. */
  const zerosFirst = 1;
  const filler = 'x'.repeat(1_000);

  async function fillSegments(log: SegmentEventLog, count: number): Promise<void> {
    const newest = () => disk.find(`${directory}/${String(count).padStart(12, '0')}.segment`);
    while (newest() === null) await append(log, filler);
  }

  /** Dies in the next call of this kind, which had its effect but for what was not flushed. */
  async function dieIn(name: CallName, work: () => Promise<unknown>, skipping = 0): Promise<void> {
    kernel.files.planNext(name, { code: 'EIO', effect: 'whole', died: true }, skipping);
    void work();
    await kernel.files.death;
  }

  async function expectAfterPowerCut(end: number): Promise<void> {
    kernel.files.die();
    disk.cutPower(0);
    start();
    const log = await open();
    expect(await boundsOf(log, 0)).toEqual({ start: 0, end });
    for (let offset = 0; offset < end; offset += 1) expect(await log.recordAt(0, offset)).not.toBeNull();
    await log.close();
  }

  it('what a start finds of a process that was killed while it wrote is on disk before it is shown', async () => {
    const log = await open();
    await append(log, 'answered');
    await dieIn('write', () => append(log, 'unsure'), zerosFirst);
    start();
    expect(await boundsOf(await open(), 0)).toEqual({ start: 0, end: 2 });
    await expectAfterPowerCut(2);
  });

  it('so is what a flush has failed for, although the system takes it for flushed', async () => {
    const log = await open();
    await append(log, 'answered');
    kernel.files.planNext('write', { code: 'EIO', effect: 'whole' }, zerosFirst);
    await expect(append(log, 'unsure')).rejects.toMatchObject({ code: 'log_unavailable' });
    kernel.files.die();
    start();
    expect(await boundsOf(await open(), 0)).toEqual({ start: 0, end: 2 });
    await expectAfterPowerCut(2);
  });

  it('a segment whose name was not on disk when the process was killed keeps it', async () => {
    const log = await open();
    await fillSegments(log, 1);
    const { end } = await boundsOf(log, 0);
    await dieIn('rename', async () => {
      for (;;) await append(log, filler);
    });
    start();
    const again = await open();
    const before = await boundsOf(again, 0);
    expect(before.end).toBeGreaterThanOrEqual(end);
    await append(again, 'answered');
    await expectAfterPowerCut(before.end + 1);
  });

  it('a log whose directory was not on disk when the process was killed stays the same log', async () => {
    await dieIn('rename', open);
    start();
    const log = await open();
    await append(log, 'answered');
    await expectAfterPowerCut(1);
  });

  it('a descriptor whose closing fails is not closed again', async () => {
    const log = await open();
    await append(log, 'first');
    const closesOfNewSegment = 2;
    kernel.files.planNext('close', { code: 'EIO', effect: 'whole' }, closesOfNewSegment);
    await fillSegments(log, 3);
    await log.close();
    expect(kernel.files.misuses).toEqual([]);
    expect(kernel.files.openCount()).toBe(0);
  });

  it.each([
    ['open', 'EMFILE', 1],
    ['stat', 'EIO', 0],
  ] as const)('no descriptor is left over when %s fails, and the next append works', async (name, code, skipping) => {
    const log = await open();
    const before = kernel.files.openCount();
    kernel.files.planNext(name, { code, effect: 'none' }, skipping);
    await expect(append(log, 'x')).rejects.toMatchObject({ code: 'log_unavailable' });
    expect(kernel.files.openCount()).toBe(before);
    expect(await append(log, 'x')).toEqual([{ partition: 0, offset: 0 }]);
    await log.close();
    expect(kernel.files.openCount()).toBe(0);
  });

  it('a disk that takes nothing is not asked for ever', async () => {
    const log = await open();
    kernel.files.planNext('write', { code: null, effect: 'none' });
    await expect(append(log, 'x')).rejects.toMatchObject({ code: 'log_unavailable' });
    expect(await append(log, 'x')).toEqual([{ partition: 0, offset: 0 }]);
    await log.close();
  });

  it.each([
    ['open', 'EACCES', 3],
    ['flush', 'EINVAL', 2],
  ] as const)(
    'a directory above whose %s is refused with %s keeps nothing from starting',
    async (name, code, skipping) => {
      kernel.files.planNext(name, { code, effect: 'none' }, skipping);
      const log = await open();
      await append(log, 'x');
      await log.close();
    },
  );

  it.each(['ENOSPC', 'EDQUOT'] as const)('%s is a full disk', async (code) => {
    const log = await open();
    kernel.files.planNext('write', { code, effect: 'none' });
    await expect(append(log, 'x')).rejects.toMatchObject({ code: 'disk_full' });
    await log.close();
  });

  it('nothing is said to be safe in a file that somebody has cut off', async () => {
    const log = await open();
    await append(log, 'first');
    disk.truncate(disk.find(`${directory}/000000000001.segment`) as DiskFile);
    await expect(append(log, 'second')).rejects.toMatchObject({ code: 'log_deleted' });
    await expect(log.describe()).rejects.toMatchObject({ code: 'log_deleted' });
    await log.close();
  });

  it('a segment that could not be removed is the next one to be removed: no hole comes about', async () => {
    const log = await open();
    await fillSegments(log, 5);
    const { end } = await boundsOf(log, 0);
    kernel.files.planNext('rm', { code: 'EIO', effect: 'none' });
    await expect(log.trim(0, end - 1)).rejects.toMatchObject({ code: 'log_unavailable' });
    await append(log, 'x');
    await log.trim(0, end);
    expect(disk.find(`${directory}/000000000001.segment`)).toBeNull();
    await log.close();
    const again = await open();
    expect(await boundsOf(again, 0)).toEqual({ start: end, end: end + 1 });
    await again.close();
  });

  it('a trim that is asked for again, after it was not written down, is written down', async () => {
    const log = await open();
    await append(log, 'first');
    await append(log, 'second');
    kernel.files.planNext('write', { code: 'ENOSPC', effect: 'none' });
    await expect(log.trim(0, 1)).rejects.toMatchObject({ code: 'disk_full' });
    await log.trim(0, 1);
    kernel.files.die();
    start();
    const again = await open();
    expect(await boundsOf(again, 0)).toEqual({ start: 1, end: 2 });
    await again.close();
  });

  it('a trim of many segments lets appends come in between', async () => {
    const log = await open();
    await fillSegments(log, 12);
    const { end } = await boundsOf(log, 0);
    const order: string[] = [];
    const trimmed = log.trim(0, end).then(() => order.push('trimmed'));
    const appended = append(log, 'x').then(() => order.push('appended'));
    await Promise.all([trimmed, appended]);
    expect(order).toEqual(['appended', 'trimmed']);
    expect(disk.find(`${directory}/000000000011.segment`)).toBeNull();
    await log.close();
  });

  it('rot in the last append is known for what it is, also where a start has only read it', async () => {
    const log = await open();
    await append(log, 'first');
    await append(log, 'second');
    kernel.files.die();
    start();
    await (await open()).close();
    const { bytes } = disk.find(`${directory}/000000000001.segment`) as DiskFile;
    bytes[bytes.indexOf('second')]! ^= 1;
    const again = await open();
    expect(await boundsOf(again, 0)).toEqual({ start: 0, end: 2 });
    await expect(again.recordAt(0, 1)).rejects.toBeInstanceOf(DamagedError);
    await again.close();
  });

  it.each([
    ['open', 4],
    ['read', 0],
    ['write', 0],
    ['flush', 3],
  ] as const)('a start whose last %s fails says so, and the next one finds everything', async (name, skipping) => {
    const log = await open();
    await append(log, 'answered');
    kernel.files.die();
    start();
    kernel.files.planNext(name, { code: 'EIO', effect: 'none' }, skipping);
    await expect(open()).rejects.toBeInstanceOf(StartupError);
    expect(kernel.files.openCount()).toBe(0);
    const again = await open();
    expect(textOf(await again.recordAt(0, 0))).toBe('answered');
    await again.close();
  });
});

describe('of generated ones', () => {
  const seedCount = 300;
  const only = process.env.ESP_TEST_SEED;
  const seeds = only === undefined ? Array.from({ length: seedCount }, (_, index) => index + 1) : [Number(only)];

  it.each(seeds)('seed %i: nothing is lost, doubled, or taken back', async (seed) => {
    await playLog(createRandom(seed), (files) => {
      kernel.files = files;
    });
  });
});

describe('of one rotten byte', () => {
  it.each([
    ['that was closed', false, 0],
    // With nothing behind it that would tell, more is taken to be lost than was there, rather than less.
    ['of a process that was killed', true, 6],
  ] as const)(
    'in a log %s: records of one append and partition are lost, and told',
    async (_, isKilled, imaginedMax) => {
      const found = await rotEach('byte', unlucky, isKilled, (files) => {
        kernel.files = files;
      });
      for (const { segment, at, damaged, imagined } of found) {
        const place = `${segment} byte ${at}`;
        expect(damaged.length, place).toBeLessThanOrEqual(2);
        expect(new Set(damaged.map(({ partition }) => partition)).size, place).toBeLessThanOrEqual(1);
        expect(imagined.length, place).toBeLessThanOrEqual(imaginedMax);
      }
      // Headers are there twice, and groups are found without theirs.
      const harmless = found.filter(({ damaged }) => damaged.length === 0);
      expect(harmless.length).toBeGreaterThan(100);
      expect(found.length - harmless.length).toBeGreaterThan(300);
    },
  );

  it.each([false, true])(
    'and of a whole sector: what is lost is told, and no offset is given away again',
    async (isKilled) => {
      const found = await rotEach('sector', unlucky, isKilled, (files) => {
        kernel.files = files;
      });
      expect(found.some(({ damaged }) => damaged.length > 2)).toBe(true);
    },
  );
});
