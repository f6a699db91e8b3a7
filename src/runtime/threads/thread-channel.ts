import type { MessagePort } from 'node:worker_threads';
import { type UnavailableCode, UnavailableError } from '../../domain/failure.ts';

/**
 * What is sent across in one turn of the event loop goes as one message, a list: receiving one costs a thread some 20
 * µs, however little is in it, and eight partitions that commit together tell three things each.
 *
 * @param onFailed called for an item that can't be cloned; the others are sent
 */
export function createOutbox<Item>(
  port: Pick<MessagePort, 'postMessage'>,
  onFailed: (item: Item, error: unknown) => void,
): (item: Item) => void {
  let waiting: Item[] = [];

  function flush(): void {
    const items = waiting;
    waiting = [];
    try {
      port.postMessage(items);
    } catch {
      for (const item of items) sendAlone(item);
    }
  }

  function sendAlone(item: Item): void {
    try {
      port.postMessage([item]);
    } catch (error) {
      onFailed(item, error);
    }
  }

  return (item) => {
    if (waiting.push(item) === 1) setImmediate(flush);
  };
}

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
  | { readonly kind: 'failure'; readonly id: number; readonly message: string; readonly code: UnavailableCode | null };

export function serveCalls(port: MessagePort, handlers: Handlers): void {
  const send = createOutbox<Answer>(port, ({ id }, error) => {
    // A value that can't be cloned: whoever waits must hear of it.
    send({ kind: 'failure', id, message: String(error), code: null });
  });
  port.on('message', (calls: readonly Call[]) => {
    for (const call of calls) void answerCall(call);
  });

  async function answerCall({ id, name, args }: Call): Promise<void> {
    const handler = handlers[name];
    try {
      if (handler === undefined) throw new Error(`no function named ${name} is served`);
      send({ kind: 'answer', id, value: await handler(...(args as never[])) });
    } catch (error) {
      const code = error instanceof UnavailableError ? error.code : null;
      send({ kind: 'failure', id, message: error instanceof Error ? error.message : String(error), code });
    }
  }
}

export interface Caller {
  call<T>(name: string, ...args: unknown[]): Promise<T>;
}

/** Calls that are under way when the port closes are rejected as unavailable, and so are those that come later. */
export function createCaller(port: MessagePort): Caller {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  const send = createOutbox<Call>(port, ({ id }, error) => {
    settle({ kind: 'failure', id, message: String(error), code: null });
  });
  let nextId = 0;
  let isClosed = false;

  function settle(answer: Answer): void {
    const waiter = waiting.get(answer.id);
    if (waiter === undefined) return;
    waiting.delete(answer.id);
    if (answer.kind === 'answer') waiter.resolve(answer.value as never);
    else if (answer.code !== null) waiter.reject(new UnavailableError(answer.code, answer.message));
    else waiter.reject(new Error(answer.message));
  }

  port.on('message', (answers: readonly Answer[]) => {
    for (const answer of answers) settle(answer);
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
        send({ kind: 'call', id, name, args });
      });
    },
  };
}

function threadGone(): UnavailableError {
  return new UnavailableError('thread_gone', 'the other thread has ended');
}
