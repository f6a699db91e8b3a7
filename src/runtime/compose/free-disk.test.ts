import { statfs } from 'node:fs/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { createTelemetry, type TelemetryEventName } from '../../telemetry/telemetry.ts';
import { watchFreeDisk } from './free-disk.ts';

vi.mock(import('node:fs/promises'), { spy: true });

/** What the file system says is free: blocks of 4 KiB. */
function freeBlocks(answer: number | Error): void {
  vi.mocked(statfs).mockImplementation((async () => {
    if (answer instanceof Error) throw answer;
    return { bavail: answer, bsize: 4_096 };
  }) as unknown as typeof statfs);
}

afterEach(() => {
  vi.mocked(statfs).mockReset();
});

async function watch(floorBlocks: number, path = '/data') {
  const told: TelemetryEventName[] = [];
  const telemetry = createTelemetry();
  telemetry.onAny((name) => told.push(name));
  const disk = await watchFreeDisk({ path, floorBytes: floorBlocks * 4_096, everyMs: 1, telemetry });
  return { disk, told };
}

it('knows before it answers, and asks about the directory it was given', async () => {
  freeBlocks(9);
  const { disk, told } = await watch(10, '/somewhere');
  expect(disk.isFull()).toBe(true);
  expect(disk.freeBytes()).toBe(9 * 4_096);
  expect(told).toEqual(['disk.full']);
  expect(vi.mocked(statfs)).toHaveBeenCalledWith('/somewhere');
  disk.stop();
});

it('is not full at the floor itself', async () => {
  freeBlocks(10);
  const { disk, told } = await watch(10);
  expect(disk.isFull()).toBe(false);
  expect(told).toEqual([]);
  disk.stop();
});

it('tells each change once', async () => {
  freeBlocks(20);
  const { disk, told } = await watch(10);
  freeBlocks(3);
  await expect.poll(disk.isFull).toBe(true);
  freeBlocks(4);
  await expect.poll(disk.freeBytes).toBe(4 * 4_096);
  freeBlocks(30);
  await expect.poll(disk.isFull).toBe(false);
  disk.stop();
  expect(told).toEqual(['disk.full', 'disk.recovered']);
});

it('keeps what it knew where it can not be asked', async () => {
  freeBlocks(3);
  const { disk } = await watch(10);
  const before = vi.mocked(statfs).mock.calls.length;
  freeBlocks(new Error('EIO'));
  await expect.poll(() => vi.mocked(statfs).mock.calls.length).toBeGreaterThan(before + 1);
  expect(disk.isFull()).toBe(true);
  disk.stop();
});

it('does not start where the directory can not be asked about', async () => {
  freeBlocks(new Error('ENOENT'));
  await expect(watch(10)).rejects.toThrow('ENOENT');
});

it('looks no more once it was stopped', async () => {
  freeBlocks(20);
  const one = await watch(10, '/one');
  await expect.poll(() => vi.mocked(statfs).mock.calls.length).toBeGreaterThan(2);
  one.disk.stop();
  vi.mocked(statfs).mockClear();
  const other = await watch(10, '/other');
  await expect.poll(() => vi.mocked(statfs).mock.calls.length).toBeGreaterThan(3);
  other.disk.stop();
  expect(vi.mocked(statfs).mock.calls.map(([path]) => path)).not.toContain('/one');
});
