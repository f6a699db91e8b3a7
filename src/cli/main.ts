import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from '../runtime/config.ts';
import type { CliContext } from './context.ts';

// In a clone every start strips types from a hundred files; kept, that is half of the time to start. Not in the system's
// shared temporary directory, where others could write as well.
if (import.meta.url.endsWith('.ts')) {
  enableCompileCache(
    fileURLToPath(new URL('../../node_modules/.cache/event-stream-processor/compiled', import.meta.url)),
  );
}

const interrupted = new AbortController();
const forced = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) forced.abort(signal);
    else interrupted.abort(signal);
  });
}

// npx hands SIGTERM to a shell between it and us, which dies of it and tells nobody. Its end is then our signal. Only there:
// whoever starts a server in the background and goes away wants it to stay.
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
const { runCli } = await import('./run-cli.ts');
const exitCode = await runCli(process.argv.slice(2), context);
// Pipes are written asynchronously: what was printed last must be out before the process ends.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
