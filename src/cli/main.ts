import { processEnvironment } from '../runtime/config/config.ts';
import type { CliContext } from './context.ts';

const interrupted = new AbortController();
const forced = new AbortController();
// One Ctrl-C may arrive twice: from the terminal, and from npm or another wrapper that hands it on. A person who means
// it presses again later.
const sameSignalMs = 500;
let firstAt = Number.POSITIVE_INFINITY;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (performance.now() - firstAt > sameSignalMs) forced.abort(signal);
    if (interrupted.signal.aborted) return;
    firstAt = performance.now();
    interrupted.abort(signal);
  });
}

// npx hands SIGTERM to a shell between it and us, which dies of it and tells nobody. Its end is then our signal. Only
// there: whoever starts a server in the background and goes away wants it to stay.
if (processEnvironment().npm_lifecycle_event === 'npx') {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    if (!interrupted.signal.aborted) interrupted.abort('SIGTERM');
  }, 200);
  watch.unref();
}

// `esp tail | head` closes the pipe when it has seen enough; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const context: CliContext = {
  env: processEnvironment(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  interrupted: interrupted.signal,
  forced: forced.signal,
};

const { runCli } = await import('./run-cli.ts');
const exitCode = await runCli(process.argv.slice(2), context);
// Pipes are written asynchronously: what was printed last must be out before the process ends.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
