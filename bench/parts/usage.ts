import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/**
 * What a process has used so far. On Linux from /proc, threads apart; elsewhere from ps, as one number in whole
 * hundredths of a second at best.
 */
export interface CpuUsage {
  readonly totalSeconds: number;
  /** By thread name; `main` is the thread that serves HTTP. Empty where the system does not tell. */
  readonly byThread: Readonly<Record<string, number>>;
  /**
   * Of its children that have ended, such as a database's processes for connections that were closed; 0 where the
   * system does not tell.
   */
  readonly endedChildrenSeconds: number;
}

const hasProc = existsSync('/proc/self/stat');
const ticksPerSecond = hasProc ? Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) : 100;

export function cpuUsage(pid: number): CpuUsage {
  if (!hasProc) return { totalSeconds: parsePsTime(ps(pid, 'time=')), byThread: {}, endedChildrenSeconds: 0 };
  const byThread: Record<string, number> = {};
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const { name, seconds } = readStat(`/proc/${pid}/task/${thread}/stat`);
    const key = Number(thread) === pid ? 'main' : name;
    byThread[key] = (byThread[key] ?? 0) + seconds;
  }
  // The process's own line also has the threads that have ended.
  const { seconds, endedChildrenSeconds } = readStat(`/proc/${pid}/stat`);
  return { totalSeconds: seconds, byThread, endedChildrenSeconds };
}

export function cpuSince(before: CpuUsage, pid: number): CpuUsage {
  const now = cpuUsage(pid);
  return {
    totalSeconds: now.totalSeconds - before.totalSeconds,
    endedChildrenSeconds: now.endedChildrenSeconds - before.endedChildrenSeconds,
    byThread: Object.fromEntries(
      Object.entries(now.byThread).map(([name, seconds]) => [name, seconds - (before.byThread[name] ?? 0)]),
    ),
  };
}

function readStat(path: string) {
  const text = readFileSync(path, 'utf8');
  // The name stands in parentheses and may hold anything.
  const end = text.lastIndexOf(')');
  const fields = text.slice(end + 2).split(' ');
  return {
    name: text.slice(text.indexOf('(') + 1, end),
    seconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    endedChildrenSeconds: (Number(fields[13]) + Number(fields[14])) / ticksPerSecond,
  };
}

export interface MemoryUsage {
  readonly rssMb: number;
  /**
   * Of it, pages of files (program code and libraries, shared memory) that the system may take back; null where it does
   * not tell.
   */
  readonly fileMb: number | null;
}

export function memoryUsage(pid: number): MemoryUsage {
  if (!hasProc) return { rssMb: Number(ps(pid, 'rss=')) / 1024, fileMb: null };
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { rssMb: field('VmRSS'), fileMb: field('RssFile') + field('RssShmem') };
}

const sampleEveryMs = 50;

/** Runs something and tells the highest seen meanwhile. */
export async function peakDuring<Result>(
  pid: number,
  run: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly peak: MemoryUsage }> {
  let peak = memoryUsage(pid);
  const timer = setInterval(() => {
    const now = memoryUsage(pid);
    if (now.rssMb > peak.rssMb) peak = now;
  }, sampleEveryMs);
  try {
    const result = await run();
    return { result, peak };
  } finally {
    clearInterval(timer);
  }
}

/** Processor seconds that the whole machine has spent so far on anything. */
export function machineCpuSeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000;
}

function ps(pid: number, column: string): string {
  return execFileSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).trim();
}

/** [[dd-]hh:]mm:ss[.cc] */
function parsePsTime(text: string): number {
  const [rest, days] = text.split('-').reverse();
  return Number(days ?? 0) * 86_400 + rest!.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}
