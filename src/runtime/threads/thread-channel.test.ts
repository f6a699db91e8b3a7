import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { createCaller, type Handlers, serveCalls } from './thread-channel.ts';

function channel(handlers: Handlers) {
  const { port1, port2 } = new MessageChannel();
  onTestFinished(() => port1.close());
  serveCalls(port1, handlers);
  return { caller: createCaller(port2), served: port1, calling: port2 };
}

it('carries arguments and answers as structured clones', async () => {
  const { caller } = channel({
    describe: async (of: Map<string, number>, bytes: Uint8Array) => ({ sum: of.get('a')! + bytes[0]!, of }),
  });
  expect(await caller.call('describe', new Map([['a', 1]]), new Uint8Array([2]))).toEqual({
    sum: 3,
    of: new Map([['a', 1]]),
  });
});

it('gives each call its own answer, whichever comes first', async () => {
  const gates = new Map<number, PromiseWithResolvers<string>>();
  const { caller } = channel({
    async wait(n: number) {
      gates.set(n, Promise.withResolvers());
      return gates.get(n)!.promise;
    },
  });
  const answers = [0, 1, 2].map((n) => caller.call<string>('wait', n));
  await expect.poll(() => gates.size).toBe(3);
  for (const n of [2, 0, 1]) gates.get(n)!.resolve(`answer ${n}`);
  expect(await Promise.all(answers)).toEqual(['answer 0', 'answer 1', 'answer 2']);
});

it('lets what is unavailable cross as that, with its code', async () => {
  const { caller } = channel({
    async fail() {
      throw new UnavailableError('log_timeout', 'no answer');
    },
  });
  const error = await caller.call('fail').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UnavailableError);
  expect(error).toMatchObject({ code: 'log_timeout', message: 'no answer' });
});

it('lets every other error cross as a plain one, never as unavailable', async () => {
  const { caller } = channel({
    async bug() {
      throw new TypeError('x is not a function');
    },
    async odd() {
      throw 'just text';
    },
  });
  const bug = await caller.call('bug').catch((thrown: unknown) => thrown);
  expect(bug).toBeInstanceOf(Error);
  expect(bug).not.toBeInstanceOf(UnavailableError);
  expect(bug).toMatchObject({ message: 'x is not a function' });
  await expect(caller.call('odd')).rejects.toThrow('just text');
});

it('says that a function is not served', async () => {
  const { caller } = channel({});
  await expect(caller.call('nothing')).rejects.toThrow(/nothing/);
});

it('says that an answer can not be carried', async () => {
  const { caller } = channel({ give: async () => () => 'a function' });
  await expect(caller.call('give')).rejects.toThrow(/clone/i);
});

it('says that an argument can not be carried, and carries the others of that turn', async () => {
  const { caller } = channel({ double: async (n: number) => n * 2 });
  const results = await Promise.allSettled([
    caller.call('double', 2),
    caller.call('double', () => 'a function'),
    caller.call('double', 3),
  ]);
  expect(results).toMatchObject([
    { status: 'fulfilled', value: 4 },
    { status: 'rejected', reason: { message: expect.stringMatching(/clone/i) } },
    { status: 'fulfilled', value: 6 },
  ]);
});

it('sends what is called and answered in one turn as one message each way', async () => {
  const { caller, served, calling } = channel({ double: async (n: number) => n * 2 });
  const received: number[] = [];
  for (const port of [served, calling]) port.on('message', (items: readonly unknown[]) => received.push(items.length));
  expect(await Promise.all([1, 2, 3].map((n) => caller.call('double', n)))).toEqual([2, 4, 6]);
  expect(received).toEqual([3, 3]);
});

it('rejects what is under way when the other side is gone, and whatever is called later', async () => {
  const began = Promise.withResolvers<void>();
  const { caller, served } = channel({
    wait() {
      began.resolve();
      return new Promise(() => undefined);
    },
  });
  const pending = caller.call('wait').catch((thrown: unknown) => thrown);
  await began.promise;
  served.close();
  expect(await pending).toMatchObject({ name: 'UnavailableError', code: 'thread_gone' });
  await expect(caller.call('wait')).rejects.toMatchObject({ code: 'thread_gone' });
});

it('rejects what is under way when the other thread dies', async () => {
  const { port1, port2 } = new MessageChannel();
  const thread = new Worker(
    `const { parentPort } = require('node:worker_threads');
     parentPort.once('message', (port) => port.on('message', () => process.exit(3)));`,
    { eval: true },
  );
  thread.postMessage(port2, [port2]);
  const caller = createCaller(port1);
  const exited = once(thread, 'exit');
  await expect(caller.call('anything')).rejects.toMatchObject({ code: 'thread_gone' });
  expect(await exited).toEqual([3]);
});

it('ignores an answer that nobody waits for', async () => {
  const { caller, served } = channel({ add: async (a: number, b: number) => a + b });
  served.postMessage([{ kind: 'answer', id: 77, value: 1 }]);
  expect(await caller.call('add', 1, 2)).toBe(3);
});
