import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { quantileOf } from './statistics.ts';

/** Where figures come from: they say nothing without it. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  /** One minute's, before the first measurement. */
  readonly loadAverage: number;
  /** True: the data directory is in memory, and nothing said about durability holds. */
  readonly isDirectoryInMemory: boolean;
  /** Median and 99th percentile of writing 4 KiB and flushing it, in the data directory. */
  readonly flushMs: { readonly p50: number; readonly p99: number };
}

const tmpfsMagic = 0x01021994;
const flushes = 200;

export function describeMachine(directory: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    loadAverage: loadavg()[0]!,
    isDirectoryInMemory: platform() === 'linux' && statfsSync(directory).type === tmpfsMagic,
    flushMs: measureFlushes(directory),
  };
}

function measureFlushes(parent: string): Machine['flushMs'] {
  const directory = mkdtempSync(join(parent, 'esp-bench-flush-'));
  const file = openSync(join(directory, 'file'), 'w');
  const page = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let round = 0; round < flushes; round += 1) {
    const startedAt = performance.now();
    writeSync(file, page);
    fdatasyncSync(file);
    times.push(performance.now() - startedAt);
  }
  closeSync(file);
  rmSync(directory, { recursive: true });
  return { p50: quantileOf(times, 0.5), p99: quantileOf(times, 0.99) };
}
