import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { boundsOf, recordsFor, textOf } from '../testing/event-log.contract.harness.ts';
import { createLmdbEventLog } from './event-log.lmdb.ts';

const mebibyte = 1024 ** 2;

describe('the LMDB event log on a full disk', () => {
  let directory: string;
  let path: string;
  let refusal: string | null;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'esp-full-'));
    path = join(directory, 'log.mdb');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', directory], { stdio: 'pipe' });
      refusal = null;
    } catch (error) {
      refusal = `a small disk can't be mounted here: ${String(error).split('\n')[0]}`;
    }
  });
  afterEach(() => {
    // Lazily: a failed case may have left its log open.
    if (refusal === null) execFileSync('umount', ['--lazy', directory]);
    rmSync(directory, { recursive: true });
  });

  /** Takes room away, all but `leftBytes`. */
  async function fill(leftBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(directory);
    await appendFile(join(directory, 'ballast'), Buffer.alloc(Math.max(0, bavail * bsize - leftBytes)));
  }

  it('refuses as unavailable before LMDB would fail, and keeps what it answered', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    let log = await createLmdbEventLog({ path, partitions: 2 });
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
          log = await createLmdbEventLog({ path, partitions: 2 });
        }
      }
    }
    const { bavail, bsize } = await statfs(directory);
    expect(bavail * bsize).toBeGreaterThan(limits.logFreeDiskBytesMin - mebibyte);
    expect((await boundsOf(log, 0)).end).toBe(answered.length);
    for (const { offset, text } of answered) {
      expect(textOf(await log.recordAt(0, offset)) === text, String(offset)).toBe(true);
    }
    await log.close();
  });

  it('trims while it refuses, and goes on when others have given room back', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    const log = await createLmdbEventLog({ path, partitions: 1 });
    for (let nth = 0; nth < 4; nth += 1) await log.append(recordsFor(0, [`before ${nth}`]));
    await fill(3 * mebibyte);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(log.append(recordsFor(0, ['refused']))).rejects.toMatchObject({ code: 'disk_full' });
    }
    await log.trim(0, 3);
    expect(await boundsOf(log, 0)).toEqual({ start: 3, end: 4 });
    await fill(0);
    await expect(log.trim(0, 4)).rejects.toMatchObject({ code: 'disk_full' });
    expect(textOf(await log.recordAt(0, 3))).toBe('before 3');

    rmSync(join(directory, 'ballast'));
    expect(await log.append(recordsFor(0, ['after']))).toEqual([{ partition: 0, offset: 4 }]);
    expect(textOf(await log.recordAt(0, 4))).toBe('after');
    await log.close();
  });

  it('is not begun where it has no room', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    await fill(0);
    await expect(createLmdbEventLog({ path, partitions: 1 })).rejects.toThrow(
      `${directory} has no room for an event log`,
    );
  });
});
