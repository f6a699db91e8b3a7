import { productVersion } from '../runtime/serve/package-files.ts';
import { type CliContext, CommandError, exitCodes, printLine } from './context.ts';

/** What commands that run until they are stopped have in common. */
export interface Stoppable {
  stop(reason: string): Promise<{ readonly forced: boolean }>;
  /** Resolves with what is wrong, if it can't go on. */
  readonly failed?: Promise<Error>;
}

/** Waits for the signal to stop, or for a failure, and ends in order; a second signal ends it at once. */
export async function runUntilStopped(server: Stoppable, context: CliContext): Promise<void> {
  const failure = await Promise.race([
    aborted(context.interrupted).then(() => null),
    ...(server.failed === undefined ? [] : [server.failed]),
  ]);
  if (context.stderr.isTTY && failure === null) printLine(context.stderr, 'stopping; once more to stop at once');
  const ending = server.stop(failure?.message ?? String(context.interrupted.reason));
  const forced = aborted(context.forced).then(() => ({ forced: true }));
  const outcome = await Promise.race([ending, forced]);
  if (failure !== null) throw failure;
  if (outcome.forced) {
    throw new CommandError(
      'stopped before everything was in order; nothing that was accepted is lost',
      exitCodes.failed,
    );
  }
}

/** On a terminal a person reads along; what they have to know is in the greeting and in warnings. */
export function logDefaults({ stdout }: CliContext): Readonly<Record<string, string>> {
  return stdout.isTTY ? { ESP_LOG_LEVEL: 'warn', ESP_LOG_FORMAT: 'text' } : {};
}

export function greet({ stdout }: CliContext, url: string, data: string): void {
  const version = productVersion();
  if (!stdout.isTTY) {
    printLine(stdout, `esp ${version} listening at ${url} with its data in ${data}`);
    return;
  }
  const body = `'{"event_type":"greeting","payload":{"text":"hello"}}'`;
  printLine(
    stdout,
    `
  Event Stream Processor ${version} is listening at ${url}

  Dashboard    ${url}/dashboard
  Send one     curl ${url}/api/events -H 'content-type: application/json' -d ${body}
  Send many    npm run esp -- seed
  Data         ${data}
  Stop         Ctrl-C
`,
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
