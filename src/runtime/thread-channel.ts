import type { MessagePort } from 'node:worker_threads';
import { UnavailableError } from '../domain/failure.ts';

/**
 * Calls across threads: one side serves named functions, the other calls them and gets a promise. Arguments and answers
 * are structured clones. An UnavailableError crosses as one; any other error crosses as a plain Error.
 */
type Handler = (...args: never[]) => Promise<unknown>;
export type Handlers = Readonly<Record<string, Handler>>;

interface Call {
  readonly kind: 'call';
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

type Answer =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string; readonly code: string | null };

export function serveCalls(port: MessagePort, handlers: Handlers): void {
  port.on('message', (message: Call) => {
    void answerCall(message);
  });

  async function answerCall({ id, name, args }: Call): Promise<void> {
    const handler = handlers[name];
    let answer: Answer;
    try {
      if (handler === undefined) throw new Error(`no function named ${name} is served`);
      answer = { kind: 'answer', id, value: await handler(...(args as never[])) };
    } catch (error) {
      const code = error instanceof UnavailableError ? error.code : null;
      answer = { kind: 'failure', id, message: error instanceof Error ? error.message : String(error), code };
    }
    try {
      port.postMessage(answer);
    } catch (error) {
      // A value that can't be cloned: whoever waits must hear of it.
      port.postMessage({ kind: 'failure', id, message: String(error), code: null } satisfies Answer);
    }
  }
}

export interface Caller {
  call<T>(name: string, ...args: unknown[]): Promise<T>;
}

/** Calls that are under way when the port closes are rejected as unavailable, and so are those that come later. */
export function createCaller(port: MessagePort): Caller {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let nextId = 0;
  let isClosed = false;

  port.on('message', (answer: Answer) => {
    const waiter = waiting.get(answer.id);
    if (waiter === undefined) return;
    waiting.delete(answer.id);
    if (answer.kind === 'answer') waiter.resolve(answer.value as never);
    else if (answer.code !== null) waiter.reject(new UnavailableError(answer.code, answer.message));
    else waiter.reject(new Error(answer.message));
  });
  port.on('close', () => {
    isClosed = true;
    for (const waiter of waiting.values()) waiter.reject(threadGone());
    waiting.clear();
  });

  return {
    call(name, ...args) {
      // A closed port swallows what is posted.
      if (isClosed) return Promise.reject(threadGone());
      return new Promise((resolve, reject) => {
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        port.postMessage({ kind: 'call', id, name, args } satisfies Call);
      });
    },
  };
}

function threadGone(): UnavailableError {
  return new UnavailableError('thread_gone', 'the other thread has ended');
}
