import { expect, onTestFinished, test } from 'vitest';
import { keepThread } from './kept-thread.ts';

function keep({ breaksAtOnce = false } = {}) {
  const happened: string[] = [];
  const kept = keepThread<string>({
    name: 'scripted',
    module: new URL('../../testing/scripted-thread.ts', import.meta.url),
    data: { breaksAtOnce },
    handlers: { name: async () => 'main' },
    onStart: () => happened.push('start'),
    onMessage: (message) => happened.push(message),
    onExit: (reason) => happened.push(`exit: ${reason?.message ?? 'as told'}`),
  });
  onTestFinished(() => kept.stop());
  return { kept, happened };
}

test('calls go both ways, and a stop lets it finish', async () => {
  const { kept, happened } = keep();
  expect(await kept.call('echo', 'hello')).toBe('hello, main');
  expect(kept.isRunning()).toBe(true);
  await kept.stop();
  expect(kept.isRunning()).toBe(false);
  expect(happened).toEqual(['start', 'hello', 'stopping', 'exit: as told']);
  await expect(kept.call('echo', 'again')).rejects.toMatchObject({ code: 'thread_gone' });
  // A second stop has nothing to do.
  await kept.stop();
  expect(happened).toHaveLength(4);
});

test('one that breaks is started again, and again, with why', async () => {
  const { kept, happened } = keep();
  const life = ['start', 'hello', 'exit: broken as told'];
  for (let lives = 1; lives <= 2; lives += 1) {
    await expect.poll(() => happened.at(-1)).toBe('hello');
    kept.markHealthy();
    // It may be gone before its answer is.
    await kept.call('break').catch(() => undefined);
    await expect.poll(() => happened.slice(0, lives * life.length)).toEqual(Array(lives).fill(life).flat());
  }
  await expect.poll(() => kept.call('echo', 'still here')).toBe('still here, main');
});

test('one that can not even start is tried until it is stopped', async () => {
  const { kept, happened } = keep({ breaksAtOnce: true });
  await expect.poll(() => happened.filter((what) => what === 'start').length, { timeout: 5_000 }).toBeGreaterThan(2);
  await kept.stop();
  await expect.poll(() => kept.isRunning()).toBe(false);
  const count = happened.length;
  expect(happened).toContain('exit: it never was well');
  await new Promise(setImmediate);
  expect(happened).toHaveLength(count);
});
