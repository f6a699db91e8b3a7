import type { Readable } from 'node:stream';
import type { Loaded } from '../runtime/config/config.ts';

/** Where text goes. */
export interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Everything a command touches of the process it runs in; main.ts makes it of the real one. */
export interface CliContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted by the first SIGINT or SIGTERM, with the signal's name as the reason: end in order. */
  readonly interrupted: AbortSignal;
  /** Aborted by the second one: end now. */
  readonly forced: AbortSignal;
}

export const exitCodes = { ok: 0, failed: 1, wrongUse: 2, interrupted: 130 } as const;

/** Something a person can act on. The message is all that is shown of it. */
export class CommandError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = exitCodes.failed, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

export function printLine(output: Output, line = ''): void {
  output.write(`${line}\n`);
}

/** One JSON document on standard output, for other programs. */
export function printJson({ stdout }: CliContext, value: unknown): void {
  stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

/**
 * The action of a command that has no order to end in: the first signal leaves it where it is. What it had begun ends
 * with the process, as after kill -9, which everything it may be in the middle of survives.
 */
export function interruptible<Args extends readonly unknown[]>(
  { interrupted }: Pick<CliContext, 'interrupted'>,
  action: (...args: Args) => Promise<void>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    const { promise, reject } = Promise.withResolvers<never>();
    const interrupt = () => reject(interruption());
    interrupted.addEventListener('abort', interrupt, { once: true });
    try {
      if (interrupted.aborted) interrupt();
      await Promise.race([action(...args), promise]);
    } finally {
      interrupted.removeEventListener('abort', interrupt);
    }
  };
}

export function interruption(): CommandError {
  return new CommandError('interrupted', exitCodes.interrupted);
}

/** The configuration, or all that is wrong with it at once. */
export function requireConfig<Config>(loaded: Loaded<Config>): Config {
  if (loaded.ok) return loaded.config;
  const lines = loaded.problems.map(({ variable, message }) => `${variable}: ${message}`);
  throw new CommandError(lines.join('\n'), exitCodes.wrongUse);
}
