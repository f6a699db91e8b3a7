import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ServerOwner } from './server-owner.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly owner?: ServerOwner | null;
  readonly input?: string;
  readonly timeoutMs: number;
}

const outputCharactersShown = 8_000;

/** Runs a command to its end and answers its standard output; throws with all it said where it fails. */
export async function runCommand(command: readonly string[], options: CommandOptions): Promise<string> {
  const [file, ...args] = command;
  const child = spawn(file!, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    ...(options.owner ? { uid: options.owner.uid, gid: options.owner.gid } : {}),
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // A command may end without reading all of its input.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [code, signal] = await once(child, 'close');
  if (code === 0) return stdout;
  const said = `${stdout}${stderr}`.slice(-outputCharactersShown);
  throw new Error(`${command.join(' ')} ended with ${code ?? signal}:\n${said}`);
}
