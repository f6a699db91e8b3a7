/**
 * What is in the log's directory, besides records: files that are missing, damaged, moved away, given up, or nobody's.
 */
import { copyFile, mkdtemp, readdir, readFile, readlink, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DamagedError, StartupError } from '../../domain/failure.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import {
  boundsOf,
  longMs,
  never,
  numbered,
  openStream,
  plentiful,
  recordsFor,
  takeRecords,
  textOf,
} from '../../testing/event-log.contract.harness.ts';
import { createSegmentChunks } from './chunks.ts';
import { createSegmentEventLog, openSegmentLogReader, type SegmentEventLog } from './event-log.segment.ts';
import { segmentPath } from './files.ts';
import { createSegmentIndex } from './index.ts';
import { openLogMarks } from './marks.ts';

const partitions = 3;

describe('the directory of a segment log', () => {
  let directory: string;
  const opened: SegmentEventLog[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'esp-log-'));
  });
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
    await rm(directory, { recursive: true });
  });

  const ignored: unknown[] = [];
  async function openLog(segmentBytesMax = 64 * 1024): Promise<SegmentEventLog> {
    const telemetry = createTelemetry();
    ignored.length = 0;
    telemetry.on('log.files_ignored', (payload) => ignored.push(payload));
    const log = await createSegmentEventLog({ directory, partitions, segmentBytesMax, telemetry });
    opened.push(log);
    return log;
  }

  const pathOf = (number: number) => segmentPath(directory, number);

  async function segments(): Promise<string[]> {
    return (await readdir(directory)).filter((name) => name.endsWith('.segment')).sort();
  }

  async function rot(text: string): Promise<void> {
    const bytes = await readFile(pathOf(1));
    bytes[bytes.indexOf(text)]! ^= 1;
    await writeFile(pathOf(1), bytes);
  }

  it.each([
    ['of another kind', Buffer.alloc(16_384, 'no log')],
    ['cut down to nothing much', Buffer.alloc(100)],
    ['of nothing', Buffer.alloc(0)],
  ])('refuses a file %s', async (_, bytes) => {
    await writeFile(pathOf(1), bytes);
    const refused = createSegmentEventLog({ directory, partitions });
    await expect(refused).rejects.toBeInstanceOf(StartupError);
    await expect(refused).rejects.toThrow(`${pathOf(1)} can't be opened as an event log: it is no segment`);
  });

  it('is not kept from starting by what a crash left of a new segment', async () => {
    await (await openLog()).close();
    await writeFile(join(directory, 'unfinished'), 'half a header');
    const log = await openLog();
    expect(await log.append(recordsFor(0, ['x']))).toEqual([{ partition: 0, offset: 0 }]);
    expect(await readdir(directory)).toEqual(['000000000001.segment']);
  });

  describe('of several segments', () => {
    async function writeThree(): Promise<void> {
      const log = await openLog();
      for (let group = 0; group < 3; group += 1) await log.append([{ partition: 0, value: Buffer.alloc(50 * 1024) }]);
      await log.close();
      expect(await segments()).toHaveLength(3);
    }

    it('refuses one that was cut off', async () => {
      await writeThree();
      await truncate(pathOf(2), 20_000);
      await expect(createSegmentEventLog({ directory, partitions })).rejects.toThrow(
        /was cut off: it has 20000 bytes of \d+/,
      );
    });

    it('refuses to do without one in the middle', async () => {
      await writeThree();
      await rm(pathOf(2));
      await expect(createSegmentEventLog({ directory, partitions })).rejects.toThrow('segment 2 is missing');
    });

    it('refuses one of another log', async () => {
      await writeThree();
      const other = `${directory}-other`;
      await rename(directory, other);
      await writeThree();
      await copyFile(segmentPath(other, 3), pathOf(3));
      await rm(other, { recursive: true });
      await expect(createSegmentEventLog({ directory, partitions })).rejects.toThrow(
        'segments 2 and 3 are of two logs',
      );
    });
  });

  it('may hold files of other names, which are left alone and told of', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, ['x']));
    await log.close();
    const strays = [
      '000000000000.segment',
      '0000000000002.segment',
      '1.segment',
      'copy of 000000000001.segment',
      'foo.tmp',
    ];
    for (const name of strays) await writeFile(join(directory, name), name);
    const again = await openLog();
    expect(ignored).toEqual([{ directory, names: expect.arrayContaining(strays), reason: 'strays' }]);
    expect(textOf(await again.recordAt(0, 0))).toBe('x');
    expect(await again.append(recordsFor(0, ['y']))).toEqual([{ partition: 0, offset: 1 }]);
    for (const name of strays) expect(await readFile(join(directory, name), 'utf8')).toBe(name);
  });

  describe('whose newest file is gone', () => {
    it('takes nothing more', async () => {
      const log = await openLog();
      await log.append(recordsFor(0, ['x']));
      await rm(pathOf(1));
      await expect(log.append(recordsFor(0, ['y']))).rejects.toMatchObject({ code: 'log_deleted' });
    });

    it('says so before anything is appended', async () => {
      const log = await openLog();
      await rm(pathOf(1));
      await expect(log.describe()).rejects.toMatchObject({ code: 'log_deleted' });
    });

    it('does not answer an append into a file that has lost its name, nor go on in a segment behind it', async () => {
      const log = await openLog();
      await log.append(recordsFor(0, ['x']));
      const elsewhere = join(directory, 'elsewhere');
      await rename(pathOf(1), elsewhere);
      // Nobody has looked yet.
      await expect(log.append(recordsFor(0, ['y']))).rejects.toMatchObject({ code: 'log_deleted' });
      const large = [{ partition: 0, value: Buffer.alloc(63 * 1024) }];
      await expect(log.append(large)).rejects.toMatchObject({ code: 'log_deleted' });
      await expect(log.describe()).rejects.toMatchObject({ code: 'log_deleted' });
      expect(await segments()).toEqual([]);
      await rename(elsewhere, pathOf(1));
      await log.describe();
      expect(await log.append(large)).toHaveLength(1);
    });

    it('takes nothing from when it is seen to have been moved away until it is seen to be back', async () => {
      const log = await openLog();
      await log.append(recordsFor(0, ['x']));
      const elsewhere = `${directory}-elsewhere`;
      await rename(directory, elsewhere);
      await expect(log.describe()).rejects.toMatchObject({ code: 'log_deleted' });
      await expect(log.append(recordsFor(0, ['y']))).rejects.toMatchObject({ code: 'log_deleted' });
      await rename(elsewhere, directory);
      expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 1 });
      expect(await log.append(recordsFor(0, ['y']))).toEqual([{ partition: 0, offset: 1 }]);
    });

    it('is not taken in by a copy in its place', async () => {
      const log = await openLog();
      await log.append(recordsFor(0, ['x']));
      await copyFile(pathOf(1), join(directory, 'copy'));
      await rename(join(directory, 'copy'), pathOf(1));
      await expect(log.describe()).rejects.toMatchObject({ code: 'log_deleted' });
    });
  });

  describe.runIf(process.platform === 'linux')('of which segments were trimmed', () => {
    /** Files of the directory that this process holds open although they are gone. */
    async function removedButOpen(): Promise<string[]> {
      const descriptors = await readdir('/proc/self/fd');
      const paths = await Promise.all(descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
      return paths.filter((path) => path.startsWith(directory) && path.endsWith(' (deleted)'));
    }

    it('has its room back although readers that are idle had them open', async () => {
      const log = await openLog();
      const reader = openSegmentLogReader({ directory, partitions, shared: log.shared });
      for (let group = 0; group < 4; group += 1) await log.append([{ partition: 0, value: Buffer.alloc(50 * 1024) }]);
      for (const handle of [log, reader]) {
        for (let offset = 0; offset < 4; offset += 1) expect(await handle.recordAt(0, offset)).not.toBeNull();
      }
      await log.trim(0, 4);
      expect(await segments()).toHaveLength(1);
      expect((await removedButOpen()).length).toBeGreaterThan(0);
      await expect.poll(removedButOpen).toEqual([]);
      // They are not so idle that they do not read on.
      await log.append(recordsFor(0, ['next']));
      expect(textOf(await reader.recordAt(0, 4))).toBe('next');
      await reader.close();
    });
  });

  it('may lose a damaged record to retention while it is being read: that is no damage', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, ['rotten']));
    await log.append(recordsFor(0, ['sound']));
    await log.close();
    await rot('rotten');
    const marks = openLogMarks((await openLog()).shared, partitions);
    const chunks = createSegmentChunks(directory);
    let start = 0;
    const index = createSegmentIndex(directory, { ...marks, start: () => start }, chunks, partitions);
    expect(() => index.batchAt(0, 0)).toThrow(DamagedError);
    start = 1;
    expect(index.batchAt(0, 0)).toBeNull();
    chunks.close();
  });

  describe('in which damage was given up', () => {
    const givenUp = { partition: 0, from: 2, to: 4 };
    let sound: Buffer;

    /** Records 2 and 3 of partition 0 can't be read. */
    async function openDamaged(): Promise<SegmentEventLog> {
      const log = await openLog();
      for (const call of ['a', 'b', 'c']) await log.append(recordsFor(0, numbered(call, 2)));
      await log.close();
      sound = await readFile(pathOf(1));
      await rot('b-1');
      return openLog();
    }

    async function expectPassedOver(log: SegmentEventLog): Promise<void> {
      const reader = openSegmentLogReader({ directory, partitions, shared: log.shared, givenUp: log.givenUp });
      const { stream, consumer } = await openStream(reader);
      expect((await takeRecords(stream, 0, 4)).map(({ offset }) => offset)).toEqual([0, 1, 4, 5]);
      expect(await reader.examineGap(0, 2, 4)).toEqual({ kind: 'given_up', end: 4 });
      expect(await reader.examineGap(0, 3, 4)).toEqual({ kind: 'given_up', end: 4 });
      await consumer.close();
      await reader.close();
    }

    it('is passed over by streams, and told as that; at once, and after a start', async () => {
      const log = await openDamaged();
      await expect(log.examineGap(0, 2, 4)).rejects.toBeInstanceOf(DamagedError);
      await log.giveUp([givenUp]);
      await expectPassedOver(log);
      await expect(log.recordAt(0, 2)).rejects.toBeInstanceOf(DamagedError);
      await log.close();
      await expectPassedOver(await openLog());
      expect(ignored).toEqual([]);
    });

    it('but not all of it: the rest halts', async () => {
      const log = await openDamaged();
      await log.giveUp([{ ...givenUp, to: 3 }]);
      const { stream } = await openStream(log);
      expect(await takeRecords(stream, 0, 2)).toHaveLength(2);
      await expect(stream.next(0, plentiful, longMs, never)).rejects.toMatchObject({ from: 2, to: 4 });
      expect(await log.examineGap(0, 2, 4)).toEqual({ kind: 'given_up', end: 3 });
    });

    it('is read all the same where it can be', async () => {
      const log = await openDamaged();
      await log.giveUp([givenUp]);
      await log.close();
      // A sound copy turns up.
      await writeFile(pathOf(1), sound);
      const { stream } = await openStream(await openLog());
      expect((await takeRecords(stream, 0, 6)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5]);
    });

    it.each([
      ['damaged', (text: string) => text.slice(0, -9)],
      ['of another log', (text: string) => text.replace(/"log_id":"\w/, '"log_id":"z')],
    ])('halts again where the file that says so is %s, and that is told', async (_, change) => {
      const log = await openDamaged();
      await log.giveUp([givenUp]);
      await log.close();
      const path = join(directory, 'given-up.json');
      await writeFile(path, change(await readFile(path, 'utf8')));
      const again = await openLog();
      expect(ignored).toEqual([{ directory, names: ['given-up.json'], reason: 'damaged' }]);
      await expect(again.examineGap(0, 2, 4)).rejects.toBeInstanceOf(DamagedError);
    });
  });
});
