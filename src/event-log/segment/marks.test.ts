import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createLogMarks, openLogMarks } from './marks.ts';

const logId = '0190a3f0-0000-7000-8000-00000000000a';

it('shows every handle the same', () => {
  const marks = createLogMarks(2, logId);
  const other = openLogMarks(marks.shared, 2);
  marks.setEnd(1, 2 ** 40);
  marks.setStart(1, 7);
  expect([other.logId, other.end(0), other.start(0), other.end(1), other.start(1)]).toEqual([logId, 0, 0, 2 ** 40, 7]);
  expect([marks.nextGeneration(), other.nextGeneration(), marks.generation()]).toEqual([1, 2, 2]);
});

it('waits until what is waited for is announced, by whichever handle', async () => {
  const marks = createLogMarks(1, logId);
  const other = openLogMarks(marks.shared, 1);
  const met = marks.until(() => marks.end(0) > 2, null);
  for (const end of [1, 2, 3]) {
    other.setEnd(0, end);
    other.announce();
    await nextTurn();
  }
  expect(await met).toBe(true);
  expect(await marks.until(() => marks.end(0) > 2, 0)).toBe(true);
});

it('gives up in time', async () => {
  const marks = createLogMarks(1, logId);
  expect(await marks.until(() => false, 5)).toBe(false);
  expect(await marks.until(() => false, 0)).toBe(false);
});

it('rejects with the reason of its signal, also of one that was aborted before', async () => {
  const marks = createLogMarks(1, logId);
  const stop = new AbortController();
  const waiting = marks.until(() => false, null, stop.signal);
  stop.abort(new Error('stopping'));
  await expect(waiting).rejects.toThrow('stopping');
  await expect(marks.until(() => true, null, stop.signal)).rejects.toThrow('stopping');
});

it('misses nothing that changes between looking and waiting', async () => {
  const marks = createLogMarks(1, logId);
  const other = openLogMarks(marks.shared, 1);
  for (let round = 1; round <= 50; round++) {
    const met = marks.until(() => marks.end(0) >= round, 5_000);
    for (let turn = 0; turn < round % 4; turn++) await null;
    other.setEnd(0, round);
    other.announce();
    expect(await met).toBe(true);
  }
});
