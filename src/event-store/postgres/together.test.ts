import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { together } from './together.ts';

describe('answers that are waited for together', () => {
  it('come in the order of asking', async () => {
    const late = nextTurn().then(() => 'late');
    expect(await together([late, Promise.resolve(7)])).toEqual(['late', 7]);
  });

  it('fail with what failed first in the order of sending, once all are there', async () => {
    let isLateSettled = false;
    const late = nextTurn().then(() => {
      isLateSettled = true;
      throw new Error('first sent');
    });
    await expect(together([Promise.resolve(1), late, Promise.reject(new Error('first settled'))])).rejects.toThrow(
      'first sent',
    );
    expect(isLateSettled).toBe(true);
  });
});
