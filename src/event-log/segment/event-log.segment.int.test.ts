import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker as Thread } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DamagedError, StartupError } from '../../domain/failure.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import {
  boundsOf,
  type DamageableLogHarness,
  longMs,
  never,
  numbered,
  openStream,
  recordsFor,
  takeRecords,
  textOf,
} from '../../testing/event-log.contract.harness.ts';
import { eventLogContract, eventLogDamageContract } from '../../testing/event-log.contract.ts';
import { createSegmentEventLog, openSegmentLogReader, type SegmentEventLog } from './event-log.segment.ts';
import { segmentPath } from './files.ts';

const smallSegments = 12 * 1024;

for (const segmentBytesMax of [undefined, smallSegments]) {
  const name = segmentBytesMax === undefined ? 'segments' : 'small segments';
  const makeHarness = async ({ partitions }: { readonly partitions: number }): Promise<DamageableLogHarness> => {
    const directory = await mkdtemp(join(tmpdir(), 'esp-log-'));
    let log: SegmentEventLog | undefined;
    return {
      async open() {
        log = await createSegmentEventLog({
          directory,
          partitions,
          ...(segmentBytesMax === undefined ? {} : { segmentBytesMax }),
        });
        return log;
      },
      openReader: async () => openSegmentLogReader({ directory, partitions, shared: log!.shared }),
      damage: (text) => rot(directory, text),
      async dispose() {
        await log?.close();
        await rm(directory, { recursive: true });
      },
    };
  };
  eventLogContract(name, makeHarness);
  eventLogDamageContract(name, makeHarness);
}

/** Changes a byte of what stands in one of the directory's segments. */
async function rot(directory: string, text: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const bytes = await readFile(join(directory, name));
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at]! ^= 1;
    return writeFile(join(directory, name), bytes);
  }
  throw new Error(`${text} stands in no segment`);
}

const partitions = 3;

describe('the segment event log', () => {
  let directory: string;
  const opened: SegmentEventLog[] = [];
  /** What the last start has told. */
  const cutOff: unknown[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'esp-log-'));
  });
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
    await rm(directory, { recursive: true });
  });

  async function openLog(segmentBytesMax = 64 * 1024): Promise<SegmentEventLog> {
    const telemetry = createTelemetry();
    cutOff.length = 0;
    telemetry.on('log.cut_off', (payload) => cutOff.push(payload));
    const log = await createSegmentEventLog({ directory, partitions, segmentBytesMax, telemetry });
    opened.push(log);
    return log;
  }

  const pathOf = (number: number) => segmentPath(directory, number);

  async function newest(): Promise<string> {
    return join(directory, (await segments()).at(-1)!);
  }

  async function segments(): Promise<string[]> {
    return (await readdir(directory)).filter((name) => name.endsWith('.segment')).sort();
  }

  /** Another process appends until it has answered about `count` records, and is killed. */
  async function appendUntilKilled(prefix: string, count: number): Promise<string[]> {
    const script = new URL('../../testing/log-appender.process.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, directory, prefix], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      said += text;
      if (said.split('\n').length > count) child.kill('SIGKILL');
    });
    const [, signal] = await once(child, 'close');
    expect(signal).toBe('SIGKILL');
    return said.split('\n').slice(0, -1);
  }

  it('has every answered record after kill -9', { timeout: 60_000 }, async () => {
    const answered: string[] = [];
    let logId: string | undefined;
    for (let round = 0; round < 5; round += 1) {
      answered.push(...(await appendUntilKilled(`round${round}`, 200 + round * 150)));
      const log = await openLog();
      const description = await log.describe();
      logId ??= description.logId;
      expect(description.logId).toBe(logId);
      const start = description.partitions[0]!.start;
      for (const line of answered) {
        const [partition, offset, text] = line.split(' ') as [string, string, string];
        const record = await log.recordAt(Number(partition), Number(offset));
        if (partition === '0' && Number(offset) < start) expect(record).toBeNull();
        else expect(textOf(record)?.trimEnd(), line).toBe(text);
      }
      await log.close();
    }
    // No position was answered twice.
    expect(new Set(answered.map((line) => line.split(' ', 2).join(' '))).size).toBe(answered.length);
  });

  it('wakes a reader in another thread, and fences it', async () => {
    const log = await openLog();
    const thread = new Thread(new URL('../../testing/log-reader.thread.ts', import.meta.url), {
      workerData: { directory, shared: log.shared, partitions },
    });
    expect((await once(thread, 'message'))[0]).toBe('joined');
    for (let round = 0; round < 200; round += 1) {
      const heard = once(thread, 'message');
      await log.append(recordsFor(0, [`round ${round}`]));
      // The reader waits a minute if nobody wakes it.
      expect((await heard)[0]).toBe(`round ${round}`);
    }
    const closed = once(thread, 'message');
    const exited = once(thread, 'exit');
    await log.join();
    expect((await closed)[0]).toBe('closed');
    expect((await exited)[0]).toBe(0);
    // The file stays open for the one that appends.
    await log.append(recordsFor(0, ['after']));
    expect(textOf(await log.recordAt(0, 200))).toBe('after');
  });

  it('goes on when a thread that reads is ended in the middle', { timeout: 60_000 }, async () => {
    const log = await openLog();
    for (let round = 0; round < 5; round += 1) {
      const thread = new Thread(new URL('../../testing/log-reader.thread.ts', import.meta.url), {
        workerData: { directory, shared: log.shared, partitions },
      });
      await once(thread, 'message');
      const appending = Promise.all(numbered('x', 50).map((text) => log.append(recordsFor(0, [text]))));
      await once(thread, 'message');
      await thread.terminate();
      await appending;
      expect((await boundsOf(log, 0)).end).toBe((round + 1) * 50);
    }
  });

  it('shows an older copy that was put back by its end', async () => {
    const copy = `${directory}-copy`;
    const log = await openLog();
    await log.append(recordsFor(1, numbered('old', 10)));
    const { logId } = await log.describe();
    await log.close();
    await cp(directory, copy, { recursive: true });
    const again = await openLog();
    await again.append(recordsFor(1, numbered('new', 10)));
    expect(await boundsOf(again, 1)).toEqual({ start: 0, end: 20 });
    await again.close();
    await rm(directory, { recursive: true });
    await rename(copy, directory);
    const restored = await openLog();
    expect((await restored.describe()).logId).toBe(logId);
    expect(await boundsOf(restored, 1)).toEqual({ start: 0, end: 10 });
  });

  it('goes on in the next segment, and is read over all of them by every handle', async () => {
    const log = await openLog();
    const reader = openSegmentLogReader({ directory, partitions, shared: log.shared });
    const { stream } = await openStream(reader);
    const value = Buffer.alloc(20 * 1024, 'grow');
    for (let group = 0; group < 40; group += 1) {
      await log.append(Array.from({ length: 8 }, () => ({ partition: 0, value })));
      const records = await takeRecords(stream, 0, 8);
      expect(records.every((record) => value.equals(record.value))).toBe(true);
    }
    await reader.close();
    // An append larger than a segment has one of its own.
    expect(await segments()).toHaveLength(40);
    await log.close();
    const reopened = await openLog();
    for (const offset of [0, 100, 319]) {
      expect(value.equals((await reopened.recordAt(0, offset))!.value)).toBe(true);
    }
    expect(await boundsOf(reopened, 0)).toEqual({ start: 0, end: 320 });
  });

  it('gives the room of what was trimmed back, also while it is being read', async () => {
    const log = await openLog();
    const reader = openSegmentLogReader({ directory, partitions, shared: log.shared });
    const value = Buffer.alloc(4_000, 'x');
    const kept = 5;
    for (let round = 0; round < 4; round += 1) {
      for (let group = 0; group < 70; group += 1) {
        await log.append(Array.from({ length: 3 }, () => ({ partition: 1, value })));
      }
      const { start, end } = await boundsOf(log, 1);
      expect(await reader.recordAt(1, start)).toMatchObject({ offset: start });
      expect((await segments()).length).toBeGreaterThan(10);
      await log.trim(1, end - kept);
      expect((await segments()).length).toBeLessThan(3);
      expect(await reader.recordAt(1, start)).toBeNull();
      expect(await reader.recordAt(1, end - kept)).toMatchObject({ offset: end - kept });
    }
    await reader.close();
    await log.close();
    const reopened = await openLog();
    const { start, end } = await boundsOf(reopened, 1);
    expect(end - start).toBe(kept);
    expect(end).toBe(4 * 210);
  });

  it('keeps a segment as long as one partition needs it', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, ['wanted']));
    for (let group = 0; group < 20; group += 1) await log.append([{ partition: 1, value: Buffer.alloc(10_000) }]);
    await log.trim(1, 20);
    expect((await segments()).length).toBeGreaterThan(3);
    expect(textOf(await log.recordAt(0, 0))).toBe('wanted');
    await log.trim(0, 1);
    expect((await segments()).length).toBe(1);
    expect(await boundsOf(log, 0)).toEqual({ start: 1, end: 1 });
  });

  it('gives as much at once as fits', async () => {
    const log = await openLog();
    await log.append(Array.from({ length: 10 }, () => ({ partition: 1, value: Buffer.alloc(100) })));
    const { stream } = await openStream(log);
    const { records } = await stream.next(1, { recordsMax: 100, bytesMax: 350 }, longMs, never);
    expect(records).toHaveLength(3);
  });

  it('trims no further than its end', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, numbered('x', 5)));
    await log.trim(0, 1_000);
    expect(await boundsOf(log, 0)).toEqual({ start: 5, end: 5 });
    expect(await log.append(recordsFor(0, ['next']))).toEqual([{ partition: 0, offset: 5 }]);
  });

  it('refuses another number of partitions, and says both', async () => {
    await (await openLog()).close();
    const refused = createSegmentEventLog({ directory, partitions: 8 });
    await expect(refused).rejects.toBeInstanceOf(StartupError);
    await expect(refused).rejects.toThrow(
      `${directory} was made with 3 partitions, and ESP_PARTITIONS says 8: set ESP_PARTITIONS=3, or start with another ESP_DATA_DIR`,
    );
    await (await openLog()).append(recordsFor(0, ['still usable']));
  });

  describe('after a crash', () => {
    /** Appends, and leaves the file as if the process had been killed: without what closing adds. */
    async function crashed(groups: readonly (readonly string[])[]): Promise<Buffer> {
      const log = await openLog();
      for (const texts of groups) await log.append(recordsFor(0, texts));
      const bytes = await readFile(await newest());
      await log.close();
      await writeFile(await newest(), bytes);
      return bytes;
    }

    it('takes off what was torn, wherever it was torn', async () => {
      const whole = await crashed([['first'], ['second', 'and third']]);
      const last = whole.lastIndexOf('ESPG');
      const end = whole.indexOf('and third') + 'and third'.length;
      for (let torn = last; torn < end; torn += 5) {
        const bytes = Buffer.from(whole);
        bytes.fill(0, torn, end);
        await writeFile(pathOf(1), torn % 2 === 0 ? bytes : bytes.subarray(0, torn));
        const log = await openLog();
        // Of nothing nothing is to be told.
        expect(cutOff).toEqual(torn === last ? [] : [{ path: pathOf(1), at: last }]);
        expect(await boundsOf(log, 0), `torn at ${torn}`).toEqual({ start: 0, end: 1 });
        expect(await log.append(recordsFor(0, ['again']))).toEqual([{ partition: 0, offset: 1 }]);
        await log.close();
        const after = await openLog();
        expect(cutOff).toEqual([]);
        expect([textOf(await after.recordAt(0, 0)), textOf(await after.recordAt(0, 1))]).toEqual(['first', 'again']);
        await after.close();
      }
    });

    it('tells damage from a torn end: what was answered is not taken off in silence', async () => {
      const whole = await crashed([['first'], ['second'], ['third']]);
      const second = whole.indexOf('ESPG', whole.indexOf('ESPG') + 1);
      // In its records: they alone can't be read.
      const rotten = Buffer.from(whole);
      rotten[whole.indexOf('second')]! ^= 1;
      // Records and the head of their group: where the next begins has to be searched for.
      const headless = Buffer.from(rotten);
      headless[second + 9]! ^= 1;
      for (const damaged of [rotten, headless]) {
        await writeFile(pathOf(1), damaged);
        const log = await openLog();
        expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 3 });
        await expect(log.recordAt(0, 1)).rejects.toMatchObject({ name: 'DamagedError', from: 1, to: 2 });
        expect([textOf(await log.recordAt(0, 0)), textOf(await log.recordAt(0, 2))]).toEqual(['first', 'third']);
        await log.close();
      }
    });

    it('does not take what a client sent for a group', async () => {
      const [group] = [await crashed([['as sent']])];
      const forged = group.subarray(group.indexOf('ESPG'), group.indexOf('as sent') + 7);
      await rm(directory, { recursive: true });
      const whole = await crashed([['sound'], ['torn', `${'x'.repeat(40)}`, forged.toString('latin1')]]);
      const bytes = Buffer.from(whole);
      // The torn group's head is gone; the forged one within it is still there.
      bytes.fill(0, whole.indexOf('ESPG', whole.indexOf('sound')), whole.indexOf('torn'));
      await writeFile(pathOf(1), bytes);
      const log = await openLog();
      expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 1 });
    });
  });

  it('does not hand out a record whose bytes have rotted', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, ['sound']));
    await log.append(recordsFor(0, ['about to rot']));
    await log.close();
    const path = await newest();
    const bytes = await readFile(path);
    bytes.write('r', bytes.indexOf('about to rot'));
    await writeFile(path, bytes);
    const reopened = await openLog();
    expect(textOf(await reopened.recordAt(0, 0))).toBe('sound');
    await expect(reopened.recordAt(0, 1)).rejects.toBeInstanceOf(DamagedError);
  });

  it('keeps its zeros ahead out of the way of records of every size', { timeout: 60_000 }, async () => {
    const log = await openLog(4 * 1024 * 1024);
    const sizes = [100, 300_000, 50, 700_000, 10, 200_000, 1_000_000];
    const texts: string[] = [];
    for (let round = 0; round < 60; round += 1) {
      const text = `${round}.`.padEnd(sizes[round % sizes.length]!, '.');
      texts.push(text);
      await log.append(recordsFor(round % partitions, [text]));
    }
    await log.close();
    const reopened = await openLog(4 * 1024 * 1024);
    for (const [round, text] of texts.entries()) {
      const record = await reopened.recordAt(round % partitions, Math.floor(round / partitions));
      expect(textOf(record) === text, `round ${round}`).toBe(true);
    }
  });
});
