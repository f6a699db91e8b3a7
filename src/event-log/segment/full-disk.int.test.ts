import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boundsOf, numbered, recordsFor, textOf } from '../../testing/event-log.contract.harness.ts';
import { createSegmentEventLog } from './event-log.segment.ts';

describe('the segment event log on a full disk', () => {
  let disk: string;
  let directory: string;
  let refusal: string | null;

  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), 'esp-full-'));
    directory = join(disk, 'log');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk], { stdio: 'pipe' });
      refusal = null;
    } catch (error) {
      refusal = `a small disk can't be mounted here: ${String(error).split('\n')[0]}`;
    }
  });
  afterEach(() => {
    // Lazily: a failed case may have left its log open.
    if (refusal === null) execFileSync('umount', ['--lazy', disk]);
    rmSync(disk, { recursive: true });
  });

  const open = (partitions: number, segmentBytesMax?: number) =>
    createSegmentEventLog({ directory, partitions, ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }) });

  /** Takes room away, all of it. */
  async function fill(): Promise<void> {
    const { bavail, bsize } = await statfs(disk);
    await appendFile(join(disk, 'ballast'), Buffer.alloc(bavail * bsize));
  }

  it('refuses as unavailable, and keeps what it answered', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    let log = await open(2);
    const answered: { offset: number; text: string }[] = [];
    let refusals = 0;
    for (let round = 0; refusals < 5; round += 1) {
      const texts = [0, 1, 2].map((nth) => `${round}.${nth} `.padEnd(1 + ((round * 7919) % 200_000), '.'));
      try {
        const positions = await log.append(recordsFor(0, texts));
        answered.push(...positions.map(({ offset }, nth) => ({ offset, text: texts[nth]! })));
      } catch (error) {
        refusals += 1;
        expect(error).toMatchObject({ name: 'UnavailableError', code: 'disk_full' });
        if (refusals === 3) {
          await log.close();
          log = await open(2);
        }
      }
    }
    expect((await boundsOf(log, 0)).end).toBe(answered.length);
    for (const { offset, text } of answered) {
      expect(textOf(await log.recordAt(0, offset)) === text, String(offset)).toBe(true);
    }
    await log.close();
    const reopened = await open(2);
    // A refused append may be in it all the same; what was answered is.
    expect((await boundsOf(reopened, 0)).end).toBeGreaterThanOrEqual(answered.length);
    expect(textOf(await reopened.recordAt(0, answered.length - 1)) === answered.at(-1)!.text).toBe(true);
    await reopened.close();
  });

  it('gives room back by trimming, and takes it again', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    const log = await open(1, 1024 * 1024);
    const big = 'x'.repeat(100_000);
    for (let isFull = false; !isFull; ) {
      isFull = await log.append(recordsFor(0, numbered(big, 3))).then(
        () => false,
        () => true,
      );
    }
    const { end } = await boundsOf(log, 0);
    await fill();
    await expect(log.append(recordsFor(0, numbered(big, 20)))).rejects.toMatchObject({ code: 'disk_full' });
    await log.trim(0, end - 10);
    expect(await boundsOf(log, 0)).toEqual({ start: end - 10, end });
    expect(textOf(await log.recordAt(0, end - 10))).toMatch(/^x/);
    const { bavail, bsize } = await statfs(disk);
    expect(bavail * bsize).toBeGreaterThan(10 * 1024 * 1024);
    expect(await log.append(recordsFor(0, ['after']))).toEqual([{ partition: 0, offset: end }]);
    expect(textOf(await log.recordAt(0, end))).toBe('after');
    await log.close();
    const reopened = await open(1, 1024 * 1024);
    expect(await boundsOf(reopened, 0)).toEqual({ start: end - 10, end: end + 1 });
    await reopened.close();
  });

  it('is not begun where it has no room', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    await fill();
    await expect(open(1)).rejects.toThrow(/can't be opened as an event log: ENOSPC/);
  });
});
