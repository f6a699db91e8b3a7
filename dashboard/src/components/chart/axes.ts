import type uPlot from 'uplot';
import { formatClock, formatDay, formatShortClock } from '../../format/times.ts';
import type { Palette } from './palette.ts';

const daySeconds = 86_400;

/** Tick labels as fine as the distance between ticks asks for; midnight is told as the day that begins. */
function timeLabels(_plot: uPlot, splits: number[], _axis: number, _space: number, incrementSeconds: number): string[] {
  const format = incrementSeconds >= daySeconds ? formatDay : incrementSeconds < 60 ? formatClock : formatShortClock;
  return splits.map((split) => {
    const label = format(split * 1_000);
    return label === '00:00' || label === '00:00:00' ? formatDay(split * 1_000) : label;
  });
}

export function axesOf(palette: Palette, formatValue: (value: number) => string): uPlot.Axis[] {
  const shared = {
    stroke: palette.color('ink-faint'),
    font: palette.font,
    ticks: { show: false },
  };
  return [
    { ...shared, grid: { show: false }, space: 76, size: 28, gap: 7, values: timeLabels },
    {
      ...shared,
      grid: { stroke: palette.color('grid'), width: 1 },
      space: 40,
      // Wide enough for the widest label it formats to, so that the plot does not shift as numbers grow.
      size: 58,
      gap: 8,
      values: (_plot, splits) => splits.map((split) => (split === null ? '' : formatValue(split))),
    },
  ];
}

/** Charts that share a key show one another's cursor. */
export function cursorOf(palette: Palette): uPlot.Cursor {
  return {
    y: false,
    drag: { x: false, y: false },
    sync: { key: 'overview' },
    points: { size: 7, width: 2, fill: palette.color('surface') },
  };
}

/** From zero to a little above the highest value; `least` keeps an idle chart from looking busy. */
export function fromZero(least: number): uPlot.Scale.Range {
  return (_plot, _min, max) => [0, Math.max(least, (max ?? 0) * 1.12)];
}
