import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * A shell that waits on a pipe for the end of this process, however it comes: then it kills the guarded process and
 * removes the directory. A process can't do that for itself once it is killed, and a server would outlive it for ever.
 *
 * Each line on the pipe names the process to guard from then on, 0 none.
 */
const script = `
  pid=0
  while read -r line; do pid=$line; done
  if [ "$pid" -gt 0 ]; then
    kill -KILL "$pid"
    tries=0
    while kill -0 "$pid" && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
  fi
  if [ -n "$1" ]; then rm -rf "$1" || { sleep 1; rm -rf "$1"; }; fi
`;

export interface Watchdog {
  guard(pid: number | null): void;
  /** Ends the watch; nothing is killed or removed. */
  release(): Promise<void>;
}

export function startWatchdog(temporaryDirectory: string | null): Watchdog {
  const shell = spawn('/bin/sh', ['-c', script, 'watchdog', temporaryDirectory ?? ''], {
    // Not of our group, so that Ctrl-C leaves it to do its work.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const exited = once(shell, 'exit');
  shell.stdin.on('error', () => {});
  return {
    guard: (pid) => void shell.stdin.write(`${pid ?? 0}\n`),
    async release() {
      shell.kill('SIGKILL');
      await exited;
    },
  };
}
