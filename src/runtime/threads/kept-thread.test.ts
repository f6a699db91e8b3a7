import { expect, onTestFinished, test, vi } from 'vitest';
import { limits } from '../../domain/limits.ts';
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

test('one that can not even start is tried again, and no more once it is stopped', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { kept, happened } = keep({ breaksAtOnce: true });
  const starts = () => happened.filter((what) => what === 'start').length;
  for (let life = 1; life <= 3; life += 1) {
    await vi.waitUntil(() => happened.length === 2 * life);
    expect([starts(), happened.at(-1)]).toEqual([life, 'exit: it never was well']);
    if (life < 3) vi.advanceTimersByTime(limits.backoffMaxMs);
  }
  await kept.stop();
  vi.advanceTimersByTime(limits.backoffMaxMs);
  expect([kept.isRunning(), starts()]).toEqual([false, 3]);
});
