import { expect, test } from 'vitest';
import { createGate, openGate } from './gate.ts';

test('another thread sees what one decides, at once and when it comes later', () => {
  const gate = createGate();
  const other = openGate(gate.memory);
  expect([other.isStopping(), other.closed()]).toEqual([false, null]);
  gate.setReplaced(true);
  expect([other.isStopping(), other.closed()]).toEqual([false, 'log_replaced']);
  expect(openGate(gate.memory).closed()).toBe('log_replaced');
  gate.setReplaced(false);
  expect(other.closed()).toBeNull();
});

test('who stops takes what comes until it is drained, and then nothing, whatever the log is', () => {
  const gate = createGate();
  gate.setPhase('stopping');
  expect([gate.isStopping(), gate.closed()]).toEqual([true, null]);
  gate.setPhase('drained');
  expect([gate.isStopping(), gate.closed()]).toEqual([true, 'shutting_down']);
  gate.setReplaced(true);
  expect(gate.closed()).toBe('shutting_down');
});
