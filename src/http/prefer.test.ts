import { expect, test } from 'vitest';
import { readWaitPreference } from './prefer.ts';

test.each([
  [undefined, false, null],
  [undefined, true, { timeoutMs: 5_000, applied: null }],
  ['wait=10', false, { timeoutMs: 10_000, applied: 'wait=10' }],
  ['wait=10', true, { timeoutMs: 10_000, applied: 'wait=10' }],
  ['wait=0', true, { timeoutMs: 0, applied: 'wait=0' }],
  ['wait=31', false, { timeoutMs: 30_000, applied: 'wait=30' }],
  ['respond-async, Wait = "7"', false, { timeoutMs: 7_000, applied: 'wait=7' }],
  ['wait=7, wait=9', false, { timeoutMs: 7_000, applied: 'wait=7' }],
  [['return=minimal', 'wait=7'], false, { timeoutMs: 7_000, applied: 'wait=7' }],
  ['wait=-1', false, null],
  ['wait=1.5', false, null],
  ['wait', false, null],
  ['await=5', false, null],
  ['wait=soon', true, { timeoutMs: 5_000, applied: null }],
] as const)('prefer: %s with ?wait=stored %s', (prefer, isAsked, expected) => {
  expect(readWaitPreference(prefer as string | string[] | undefined, isAsked)).toEqual(expected);
});
