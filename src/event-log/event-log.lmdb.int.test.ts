import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker as Thread } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StartupError } from '../domain/failure.ts';
import {
  boundsOf,
  type EventLogHarness,
  numbered,
  openStream,
  recordsFor,
  takeRecords,
  textOf,
} from '../testing/event-log.contract.harness.ts';
import { eventLogContract } from '../testing/event-log.contract.ts';
import { createLmdbEventLog, type LmdbEventLog, openLmdbLogReader } from './event-log.lmdb.ts';

eventLogContract('LMDB', async ({ partitions }): Promise<EventLogHarness> => {
  const directory = await mkdtemp(join(tmpdir(), 'esp-log-'));
  const path = join(directory, 'log.mdb');
  let log: LmdbEventLog | undefined;
  return {
    async open() {
      log = await createLmdbEventLog({ path, partitions });
      return log;
    },
    openReader: () => openLmdbLogReader({ path, partitions, shared: log!.shared }),
    async dispose() {
      await log?.close();
      await rm(directory, { recursive: true });
    },
  };
});

const partitions = 3;

describe('the LMDB event log', () => {
  let directory: string;
  let path: string;
  const opened: LmdbEventLog[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'esp-log-'));
    path = join(directory, 'log.mdb');
  });
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
    await rm(directory, { recursive: true });
  });

  async function openLog(mapBytes?: number): Promise<LmdbEventLog> {
    const log = await createLmdbEventLog({ path, partitions, ...(mapBytes === undefined ? {} : { mapBytes }) });
    opened.push(log);
    return log;
  }

  /** Another process appends until it has answered about `count` records, and is killed. */
  async function appendUntilKilled(prefix: string, count: number): Promise<string[]> {
    const script = new URL('../testing/log-appender.process.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, path, prefix], { stdio: ['ignore', 'pipe', 'inherit'] });
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
    const thread = new Thread(new URL('../testing/log-reader.thread.ts', import.meta.url), {
      workerData: { path, shared: log.shared, partitions },
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
      const thread = new Thread(new URL('../testing/log-reader.thread.ts', import.meta.url), {
        workerData: { path, shared: log.shared, partitions },
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
    const log = await openLog();
    await log.append(recordsFor(1, numbered('old', 10)));
    const { logId } = await log.describe();
    await log.close();
    await copyFile(path, join(directory, 'copy'));
    const again = await openLog();
    await again.append(recordsFor(1, numbered('new', 10)));
    expect(await boundsOf(again, 1)).toEqual({ start: 0, end: 20 });
    await again.close();
    await copyFile(join(directory, 'copy'), path);
    const restored = await openLog();
    expect((await restored.describe()).logId).toBe(logId);
    expect(await boundsOf(restored, 1)).toEqual({ start: 0, end: 10 });
  });

  it('grows past the room it was opened with', async () => {
    const log = await openLog(256 * 1024);
    const reader = await openLmdbLogReader({ path, partitions, shared: log.shared });
    const { stream } = await openStream(reader);
    const value = Buffer.alloc(64 * 1024, 'grow');
    for (let group = 0; group < 40; group += 1) {
      await log.append(Array.from({ length: 8 }, () => ({ partition: 0, value })));
      const records = await takeRecords(stream, 0, 8);
      expect(records.every((record) => value.equals(record.value))).toBe(true);
    }
    await reader.close();
    expect((await stat(path)).size).toBeGreaterThan(20 * 1024 * 1024);
    await log.close();
    const reopened = await openLog(256 * 1024);
    expect(value.equals((await reopened.recordAt(0, 319))!.value)).toBe(true);
  });

  it('uses the room of what was trimmed again', async () => {
    const log = await openLog();
    const value = Buffer.alloc(4_000, 'x');
    const kept = 5;
    const fillAndTrim = async () => {
      // More batches than one transaction removes.
      for (let group = 0; group < 140; group += 1) {
        await log.append(Array.from({ length: 3 }, () => ({ partition: 1, value })));
      }
      await log.trim(1, (await boundsOf(log, 1)).end - kept);
      return (await stat(path)).size;
    };
    const settled = await fillAndTrim();
    for (let round = 0; round < 4; round += 1) await fillAndTrim();
    // A round is 1.7 MB.
    expect((await stat(path)).size).toBeLessThan(settled * 1.5);
    const { start, end } = await boundsOf(log, 1);
    expect(end - start).toBe(kept);
  });

  it.runIf(process.platform === 'linux')(
    'gives the memory of its map back when it is idle, and goes on after',
    async () => {
      const letGoLimits = { idleMs: 5, touchedBytesMax: 1024 ** 2 };
      const log = await createLmdbEventLog({ path, partitions, letGoLimits });
      opened.push(log);
      const reader = await openLmdbLogReader({ path, partitions, shared: log.shared, letGoLimits });
      const { stream } = await openStream(reader);
      const isMapped = async () => (await readFile('/proc/self/maps', 'utf8')).includes(`${path}\n`);
      // Little of it was touched.
      expect(await isMapped()).toBe(true);
      for (let round = 0; round < 3; round += 1) {
        await log.append(Array.from({ length: 8 }, () => ({ partition: 0, value: Buffer.alloc(256 * 1024, 'x') })));
        expect(await takeRecords(stream, 0, 8)).toHaveLength(8);
        await vi.waitFor(async () => expect(await isMapped()).toBe(false));
        const [position] = await log.append(recordsFor(1, [`round ${round}`]));
        expect(textOf(await reader.recordAt(1, position!.offset))).toBe(`round ${round}`);
      }

      await log.append(Array.from({ length: 8 }, () => ({ partition: 0, value: Buffer.alloc(256 * 1024, 'x') })));
      await vi.waitFor(async () => expect(await isMapped()).toBe(false));
      await rename(path, `${path}.away`);
      await expect(log.append(recordsFor(0, ['to nowhere']))).rejects.toMatchObject({ code: 'log_deleted' });
      await rename(`${path}.away`, path);
      await log.append(recordsFor(0, ['back']));
      await reader.close();
    },
  );

  it('trims no further than its end', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, numbered('x', 5)));
    await log.trim(0, 1_000);
    expect(await boundsOf(log, 0)).toEqual({ start: 5, end: 5 });
    expect(await log.append(recordsFor(0, ['next']))).toEqual([{ partition: 0, offset: 5 }]);
  });

  it('refuses another number of partitions, and says both', async () => {
    await (await openLog()).close();
    const refused = createLmdbEventLog({ path, partitions: 8 });
    await expect(refused).rejects.toBeInstanceOf(StartupError);
    await expect(refused).rejects.toThrow(
      `${path} was made with 3 partitions, and ESP_PARTITIONS says 8: set ESP_PARTITIONS=3, or start with another ESP_DATA_DIR`,
    );
    await (await openLog()).append(recordsFor(0, ['still usable']));
  });

  it.each([
    ['of another kind', Buffer.alloc(16_384, 'no log')],
    ['cut down to nothing much', Buffer.alloc(100)],
  ])('refuses a file %s', async (_, bytes) => {
    await writeFile(path, bytes);
    const refused = createLmdbEventLog({ path, partitions });
    await expect(refused).rejects.toBeInstanceOf(StartupError);
    await expect(refused).rejects.toThrow(`${path} can't be opened as an event log`);
  });

  it('refuses a file that was cut off', async () => {
    const log = await openLog();
    for (let group = 0; group < 10; group += 1) await log.append([{ partition: 0, value: Buffer.alloc(256 * 1024) }]);
    await log.close();
    const { size } = await stat(path);
    await truncate(path, Math.floor(size / 3));
    await expect(createLmdbEventLog({ path, partitions })).rejects.toThrow(/was cut off: it has \d+ bytes of \d+/);
    // So little is missing that it might be nothing: what was lost is noticed when it is read.
    await writeFile(path, Buffer.alloc(0));
    const again = await openLog();
    await again.append([{ partition: 0, value: Buffer.alloc(256 * 1024, 'x') }]);
    await again.close();
    await truncate(path, (await stat(path)).size - 128 * 1024);
    const outcome = await createLmdbEventLog({ path, partitions })
      .then(
        async (opened) => opened.recordAt(0, 0).finally(() => opened.close()),
        (error: unknown) => Promise.reject(error),
      )
      .catch((error: Error) => error);
    expect(outcome).toBeInstanceOf(Error);
  });

  it('does not hand out a record whose bytes have rotted', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, ['sound']));
    await log.append(recordsFor(0, ['about to rot']));
    await log.close();
    const bytes = await readFile(path);
    bytes.write('r', bytes.indexOf('about to rot'));
    await writeFile(path, bytes);
    const reopened = await openLog();
    expect(textOf(await reopened.recordAt(0, 0))).toBe('sound');
    await expect(reopened.recordAt(0, 1)).rejects.toMatchObject({ code: 'log_corrupt' });
  });

  it('does not say that a record is safe in a file that was deleted', async () => {
    const log = await openLog();
    await log.append(recordsFor(0, ['x']));
    await rm(path);
    await expect(log.append(recordsFor(0, ['y']))).rejects.toMatchObject({ code: 'log_deleted' });
  });
});
