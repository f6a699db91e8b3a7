import { describe, expect, it } from 'vitest';
import { rollupSteps } from '../../domain/rollup.ts';
import { planCharges } from './pruning.ts';

const { fineMs, minuteMs, hourMs } = rollupSteps;
const start = Date.UTC(2026, 0, 15, 12);
const rowsAt = (count: number, at: number, counted_as = 'a') =>
  Array.from({ length: count }, () => ({ received_at: at, counted_as }));
const rollup = (stepMs: number, at: number, rows: number, eventType = 'a') => ({ stepMs, at, eventType, rows });

describe('which rollup rows are charged with pruned rows', () => {
  it('is the shortest step that still covers one', () => {
    const rollups = [rollup(hourMs, start, 5), rollup(fineMs, start, 2), rollup(minuteMs, start, 1)];
    expect(planCharges(0, rowsAt(4, start + 9_999), rollups)).toEqual([
      rollup(fineMs, start, 2),
      rollup(minuteMs, start, 1),
      rollup(hourMs, start, 1),
    ]);
  });

  it('keeps steps and types apart', () => {
    const rows = [...rowsAt(1, start), ...rowsAt(2, start + minuteMs, 'b'), ...rowsAt(1, start + fineMs)];
    const rollups = [
      rollup(fineMs, start, 9),
      rollup(fineMs, start + fineMs, 9),
      rollup(minuteMs, start + minuteMs, 9, 'b'),
      rollup(fineMs, start + minuteMs, 9, 'a'),
    ];
    expect(planCharges(0, rows, rollups)).toEqual([
      rollup(fineMs, start, 1),
      rollup(minuteMs, start + minuteMs, 2, 'b'),
      rollup(fineMs, start + fineMs, 1),
    ]);
  });

  it('works before 1970', () => {
    expect(planCharges(0, rowsAt(1, -1), [rollup(hourMs, -hourMs, 1)])).toEqual([rollup(hourMs, -hourMs, 1)]);
  });

  it('refuses rows that no rollup counts', () => {
    const rollups = [rollup(fineMs, start, 1)];
    expect(() => planCharges(3, rowsAt(2, start), rollups)).toThrow(
      /partition 3, type a, received from 2026-01-15T12:00:00.000Z are counted by no rollup/,
    );
  });
});
