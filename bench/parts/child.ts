import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** A process of the benchmark's own that answers commands, one at a time. */
export interface Child<Command, Answer> extends AsyncDisposable {
  readonly pid: number;
  ask(command: Command): Promise<Answer>;
}

type Reply<Answer> = { readonly answer: Answer } | { readonly error: string };

export function startChild<Command extends object, Answer>(file: string): Child<Command, Answer> {
  const child = fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] });
  const exited = once(child, 'exit');
  return {
    pid: child.pid!,
    ask: (command) => ask(child, command),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function ask<Command extends object, Answer>(child: ChildProcess, command: Command): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const onExit = (code: number | null, signal: string | null) => reject(new Error(`a child ended: ${code ?? signal}`));
  child.once('exit', onExit);
  child.once('message', (reply: Reply<Answer>) => {
    child.off('exit', onExit);
    if ('error' in reply) reject(new Error(reply.error));
    else resolve(reply.answer);
  });
  child.send(command);
  return promise;
}

/** The other side of `startChild`. */
export function answerParent<Command, Answer>(handle: (command: Command) => Promise<Answer>): void {
  // A parent that has gone meanwhile is told nothing; 'disconnect' ends this process.
  const reply = (message: Reply<Answer>) => process.send?.(message, undefined, undefined, () => undefined);
  process.on('message', (command: Command) => {
    handle(command).then(
      (answer) => reply({ answer }),
      (error: unknown) => reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  // Nobody is left to answer to.
  process.on('disconnect', () => process.exit());
}
