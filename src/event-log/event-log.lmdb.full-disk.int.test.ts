import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boundsOf, textOf } from '../testing/event-log.contract.harness.ts';
import { createLmdbEventLog } from './event-log.lmdb.ts';

describe('the LMDB event log on a full disk', () => {
  let directory: string;
  let refusal: string | null;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'esp-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory], { stdio: 'pipe' });
      refusal = null;
    } catch (error) {
      refusal = `a small disk can't be mounted here: ${String(error).split('\n')[0]}`;
    }
  });
  afterEach(() => {
    if (refusal === null) execFileSync('umount', [directory]);
    rmSync(directory, { recursive: true });
  });

  it('refuses as unavailable, keeps what it answered, and goes on when there is room', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    const path = join(directory, 'log.mdb');
    let log = await createLmdbEventLog({ path, partitions: 2 });
    const answered = new Map<string, string>();
    let refusals = 0;
    let sequence = 0;

    async function append(bytes: number): Promise<void> {
      const records = Array.from({ length: 6 }, (_, index) => ({
        partition: index % 2,
        value: Buffer.from(`${sequence + index} `.padEnd(bytes, '.')),
      }));
      sequence += records.length;
      const positions = await log.append(records);
      for (const [index, { partition, offset }] of positions.entries()) {
        expect(answered.has(`${partition}/${offset}`)).toBe(false);
        answered.set(`${partition}/${offset}`, records[index]!.value.toString());
      }
    }

    async function expectWhole(): Promise<void> {
      const { partitions } = await log.describe();
      for (const [place, text] of answered) {
        const [partition, offset] = place.split('/').map(Number) as [number, number];
        if (offset < partitions[partition]!.start) answered.delete(place);
        else expect(textOf(await log.recordAt(partition, offset)) === text, place).toBe(true);
      }
    }

    for (let round = 0; refusals < 12; round += 1) {
      try {
        await append(500 + ((round * 7919) % 60_000));
      } catch (error) {
        refusals += 1;
        expect(error).toMatchObject({ name: 'UnavailableError', code: 'disk_full' });
        await expectWhole();
        // A small record may find room where a large group did not; either way the log answers.
        await append(10).catch((refused: Error) => expect(refused.name).toBe('UnavailableError'));
        if (refusals % 3 === 0) {
          await log.close();
          log = await createLmdbEventLog({ path, partitions: 2 });
          await expectWhole();
        }
        for (const partition of [0, 1]) {
          const { start, end } = await boundsOf(log, partition);
          await log.trim(partition, start + Math.ceil((end - start) / 2));
        }
      }
    }
    await expectWhole();
    await log.close();
  });

  it('goes on when others have given room back', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    const log = await createLmdbEventLog({ path: join(directory, 'log.mdb'), partitions: 1 });
    await log.append([{ partition: 0, value: Buffer.from('before') }]);
    await writeFile(join(directory, 'ballast'), Buffer.alloc(8 * 1024 ** 2)).catch(() => undefined);
    const large = [{ partition: 0, value: Buffer.alloc(256 * 1024) }];
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await expect(log.append(large)).rejects.toMatchObject({ code: 'disk_full' });
    }
    rmSync(join(directory, 'ballast'));
    expect(await log.append(large)).toEqual([{ partition: 0, offset: 1 }]);
    expect(textOf(await log.recordAt(0, 0))).toBe('before');
    await log.close();
  });

  it('is not begun where it has no room', async ({ skip }) => {
    if (refusal !== null) skip(refusal);
    await writeFile(join(directory, 'ballast'), Buffer.alloc(8 * 1024 ** 2)).catch(() => undefined);
    await expect(createLmdbEventLog({ path: join(directory, 'log.mdb'), partitions: 1 })).rejects.toThrow(
      `${directory} has no room for an event log`,
    );
  });
});
