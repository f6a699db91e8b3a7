import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface Entry {
  readonly pid: number;
  readonly parent: number;
  /** Ended, and only waiting for its parent to ask how. */
  readonly isZombie: boolean;
}

/** The process's children, theirs, and so on. */
export function descendantsOf(pid: number): number[] {
  const all = readProcesses();
  const found = [pid];
  for (const parent of found) found.push(...all.filter((entry) => entry.parent === parent).map((entry) => entry.pid));
  return found.slice(1);
}

export function isRunning(pid: number): boolean {
  const entry = readProcesses().find((candidate) => candidate.pid === pid);
  return entry !== undefined && !entry.isZombie;
}

/** Sends a signal to a process that may have ended meanwhile. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readProcesses(): Entry[] {
  return process.platform === 'linux' ? readProc() : askPs();
}

function readProc(): Entry[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // `pid (name) state parent …`, and a name may have spaces and brackets in it.
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [{ pid: Number(name), parent: Number(parent), isZombie: state === 'Z' || state === 'X' }];
    } catch {
      // It ended between the two looks.
      return [];
    }
  });
}

function askPs(): Entry[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => {
    const [pid, parent, state] = line.trim().split(/\s+/);
    return pid && parent && state
      ? [{ pid: Number(pid), parent: Number(parent), isZombie: state.startsWith('Z') }]
      : [];
  });
}
