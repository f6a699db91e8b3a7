import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createOffsetMirror } from './mirror.ts';

const everyMs = 1_000;

describe('the mirror of what is done', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function mirrorOf(answers: (boolean | Error | Promise<boolean>)[] = []) {
    const commits: [number, number][][] = [];
    const mirror = createOffsetMirror(async (offsets) => {
      commits.push([...offsets]);
      const answer = await (answers.shift() ?? true);
      if (answer instanceof Error) throw answer;
      return answer;
    }, everyMs);
    return { mirror, commits };
  }

  it('commits the newest of each partition, at most so often', async () => {
    const { mirror, commits } = mirrorOf();
    for (let offset = 1; offset <= 50; offset += 1) {
      mirror.acknowledge(0, offset);
      mirror.acknowledge(1, 2 * offset);
    }
    await vi.advanceTimersByTimeAsync(everyMs);
    expect(commits).toEqual([
      [
        [0, 50],
        [1, 100],
      ],
    ]);
    await vi.advanceTimersByTimeAsync(10 * everyMs);
    expect(commits).toHaveLength(1);
  });

  it('never goes lower', async () => {
    const { mirror, commits } = mirrorOf();
    mirror.acknowledge(0, 10);
    await vi.advanceTimersByTimeAsync(everyMs);
    mirror.acknowledge(0, 9);
    mirror.acknowledge(0, 10);
    await vi.advanceTimersByTimeAsync(everyMs);
    expect(commits).toEqual([[[0, 10]]]);
  });

  it('tries again what failed, with what came since', async () => {
    const { mirror, commits } = mirrorOf([false, new Error('away')]);
    mirror.acknowledge(0, 10);
    mirror.acknowledge(1, 3);
    await vi.advanceTimersByTimeAsync(everyMs);
    mirror.acknowledge(0, 12);
    await vi.advanceTimersByTimeAsync(2 * everyMs);
    expect(commits.map((commit) => Object.fromEntries(commit))).toEqual([
      { 0: 10, 1: 3 },
      { 0: 12, 1: 3 },
      { 0: 12, 1: 3 },
    ]);
  });

  it('has one commit under way, and closes with what is left', async () => {
    const slow = Promise.withResolvers<boolean>();
    const { mirror, commits } = mirrorOf([slow.promise]);
    mirror.acknowledge(0, 1);
    await vi.advanceTimersByTimeAsync(everyMs);
    mirror.acknowledge(0, 2);
    await vi.advanceTimersByTimeAsync(5 * everyMs);
    expect(commits).toEqual([[[0, 1]]]);
    const closing = mirror.close();
    const closingAgain = mirror.close();
    slow.resolve(true);
    await closingAgain;
    expect(commits).toEqual([[[0, 1]], [[0, 2]]]);
    await closing;
    mirror.acknowledge(0, 3);
    await vi.advanceTimersByTimeAsync(5 * everyMs);
    expect(commits).toHaveLength(2);
  });
});
