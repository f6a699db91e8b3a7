import { useMemo, useState } from 'react';
import type uPlot from 'uplot';
import { axesOf, cursorOf, fromZero } from '../../components/chart/axes.ts';
import { ChartPanel } from '../../components/chart/chart-panel.tsx';
import type { Palette } from '../../components/chart/palette.ts';
import { Plot } from '../../components/chart/plot.tsx';
import { StepTable } from '../../components/chart/step-table.tsx';
import { formatLatency, formatLatencyTick } from '../../format/numbers.ts';
import { stepLength } from '../../format/times.ts';
import type { StepChartProps } from './rate-chart.tsx';

interface LatencyChartProps extends StepChartProps {
  /** Over the whole window. */
  readonly overall: Readonly<Record<(typeof quantiles)[number], number | null>>;
}

const quantiles = ['p50', 'p95', 'p99'] as const;
/** Told apart without colour too, as where old numbers have lost theirs. */
const dashes = { p50: [2, 2], p95: [6, 3], p99: [] } as const;
const heightPx = 208;

const makeOptions = (palette: Palette): Omit<uPlot.Options, 'width' | 'height'> => ({
  legend: { show: false },
  cursor: cursorOf(palette),
  axes: axesOf(palette, formatLatencyTick),
  scales: { y: { range: fromZero(10) } },
  series: [
    {},
    ...quantiles.map((name) => ({
      stroke: palette.color(`series-${name}`),
      width: 1.5,
      dash: [...dashes[name]],
      // A lone step between empty ones has no line to be seen by.
      points: { show: isAlone, filter: aloneIndices, size: 4, fill: palette.color(`series-${name}`), width: 0 },
    })),
  ],
});

function aloneIndices(plot: uPlot, seriesIndex: number): number[] {
  const values = plot.data[seriesIndex]!;
  const alone: number[] = [];
  for (let index = 0; index < values.length; index += 1) {
    if (values[index] != null && values[index - 1] == null && values[index + 1] == null) alone.push(index);
  }
  return alone;
}

function isAlone(plot: uPlot, seriesIndex: number): boolean {
  return aloneIndices(plot, seriesIndex).length > 0;
}

export function LatencyChart({ steps, stepSeconds, range, windowLabel, overall }: LatencyChartProps) {
  const [cursor, setCursor] = useState<number | null>(null);
  const data = useMemo<uPlot.AlignedData>(
    () => [steps.map((step) => step.at / 1_000), ...quantiles.map((name) => steps.map((step) => step[name]))],
    [steps],
  );
  const shown = (cursor === null ? undefined : steps[cursor]) ?? overall;

  return (
    <ChartPanel
      title="Latency"
      note="received to stored"
      heightPx={heightPx}
      legend={quantiles.map((name) => ({ name, className: `legend-${name}`, value: formatLatency(shown[name]) }))}
      chart={
        <>
          <Plot
            data={data}
            range={range}
            makeOptions={makeOptions}
            heightPx={heightPx}
            onCursor={setCursor}
            summary={`Latency in the last ${windowLabel}, in steps of ${stepLength(stepSeconds)}: ${quantiles
              .map((name) => `${name} ${formatLatency(overall[name])}`)
              .join(', ')}.`}
          />
          {overall.p50 === null && (
            <p className="chart-nothing">
              <span>No latencies in the last {windowLabel}</span>
            </p>
          )}
        </>
      }
      table={
        <StepTable
          caption={`Latency in the last ${windowLabel}`}
          steps={steps}
          columns={quantiles.map((name) => ({ name, valueOf: (step) => formatLatency(step[name]) }))}
        />
      }
    />
  );
}
