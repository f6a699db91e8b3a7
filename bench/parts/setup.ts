import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadPlan } from '../load/drive.ts';
import type { LoadResult } from '../load/tally.ts';
import type { Setup } from '../measurement.ts';
import { type Child, startChild } from './child.ts';
import { cpuSince, cpuUsage, machineCpuSeconds } from './usage.ts';

export function makeDataDir(setup: Setup, stack: AsyncDisposableStack): string {
  const directory = mkdtempSync(join(setup.directory, 'esp-bench-'));
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  // Also when the run is broken off.
  process.once('exit', remove);
  stack.defer(() => {
    process.off('exit', remove);
    remove();
  });
  return directory;
}

export type Generator = Child<LoadPlan, LoadResult>;

export function startGenerator(): Generator {
  return startChild<LoadPlan, LoadResult>(join(import.meta.dirname, '..', 'load', 'generator.ts'));
}

/** @returns the port it listens on */
export async function startBareHttp(stack: AsyncDisposableStack): Promise<{ port: number; pid: number }> {
  const child = stack.use(startChild<object, number>(join(import.meta.dirname, '..', 'baselines', 'bare-http.ts')));
  return { port: await child.ask({}), pid: child.pid };
}

export interface Watched<Result> {
  readonly result: Result;
  readonly wallSeconds: number;
  /** Of each process, in the order given. */
  readonly cpu: readonly ReturnType<typeof cpuSince>[];
  /** Processor seconds of what stands behind them, by name. */
  readonly behind: Readonly<Record<string, number>>;
  /**
   * Cores that anything but these processes, and what stands behind them, kept busy: what is above about 0.1 has
   * disturbed the measurement.
   */
  readonly otherCores: number;
}

/**
 * Runs something and tells what processor time it took of whom.
 *
 * @param cpuBehind processor seconds so far of what stands behind the processes, by name: a broker, a database
 */
export async function watch<Result>(
  pids: readonly number[],
  run: () => Promise<Result>,
  cpuBehind: () => Readonly<Record<string, number>> = () => ({}),
): Promise<Watched<Result>> {
  const behindBefore = cpuBehind();
  const before = pids.map((pid) => cpuUsage(pid));
  const ownBefore = process.cpuUsage();
  const machineBefore = machineCpuSeconds();
  const startedAt = performance.now();
  const result = await run();
  const wallSeconds = (performance.now() - startedAt) / 1000;
  const cpu = pids.map((pid, index) => cpuSince(before[index]!, pid));
  const own = process.cpuUsage(ownBefore);
  const behind = Object.fromEntries(
    Object.entries(cpuBehind()).map(([name, total]) => [name, total - behindBefore[name]!]),
  );
  const all = [...cpu.map(({ totalSeconds }) => totalSeconds), ...Object.values(behind)];
  const ours = all.reduce((sum, seconds) => sum + seconds, (own.user + own.system) / 1e6);
  const otherCores = Math.max(0, (machineCpuSeconds() - machineBefore - ours) / wallSeconds);
  return { result, wallSeconds, cpu, behind, otherCores };
}
