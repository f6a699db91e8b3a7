import { useMemo, useState } from 'react';
import type uPlot from 'uplot';
import { axesOf, cursorOf, fromZero } from '../../components/chart/axes.ts';
import { ChartPanel } from '../../components/chart/chart-panel.tsx';
import type { Palette } from '../../components/chart/palette.ts';
import { Plot } from '../../components/chart/plot.tsx';
import { StepTable } from '../../components/chart/step-table.tsx';
import type { Step } from '../../components/chart/steps.ts';
import { formatCount, formatRate, formatTick } from '../../format/numbers.ts';
import { formatStep, stepLength } from '../../format/times.ts';

export interface StepChartProps {
  readonly steps: readonly Step[];
  readonly stepSeconds: number;
  /** The x axis, in seconds since the epoch. */
  readonly range: readonly [number, number];
  readonly windowLabel: string;
}

interface RateChartProps extends StepChartProps {
  /** Of the last whole ten seconds. */
  readonly ratePerSecond: number;
}

const heightPx = 208;

const makeOptions = (palette: Palette): Omit<uPlot.Options, 'width' | 'height'> => ({
  legend: { show: false },
  cursor: cursorOf(palette),
  axes: axesOf(palette, formatTick),
  scales: { y: { range: fromZero(1) } },
  series: [
    {},
    {
      stroke: palette.color('series-rate'),
      width: 1.5,
      fill: palette.color('series-rate', 0.13),
      points: { show: false },
    },
  ],
});

export function RateChart({ steps, stepSeconds, range, windowLabel, ratePerSecond }: RateChartProps) {
  const [cursor, setCursor] = useState<number | null>(null);
  const data = useMemo<uPlot.AlignedData>(
    () => [steps.map((step) => step.at / 1_000), steps.map((step) => step.perSecond)],
    [steps],
  );
  const peak = steps.reduce<Step | undefined>(
    (best, step) => (!step.isRunning && step.perSecond > (best?.perSecond ?? 0) ? step : best),
    undefined,
  );
  const isEmpty = steps.every(({ count }) => count === 0);
  const under = cursor === null ? undefined : steps[cursor];

  const inWords = () => {
    if (isEmpty) return 'none';
    const now = `now ${formatRate(ratePerSecond)}`;
    return peak ? `${now}, at most ${formatRate(peak.perSecond)} at ${formatStep(peak.at, stepSeconds)}` : now;
  };

  return (
    <ChartPanel
      title="Events per second"
      note={`steps of ${stepLength(stepSeconds)}`}
      heightPx={heightPx}
      // The entry whose name changes under the pointer stands last, so that it moves nothing.
      legend={[
        {
          name: `Peak over ${stepLength(stepSeconds)}`,
          className: 'legend-plain',
          value: formatRate(peak?.perSecond ?? 0),
        },
        {
          name: under ? formatStep(under.at, stepSeconds) : 'Last 10 s',
          className: 'legend-rate',
          value: formatRate(under?.perSecond ?? ratePerSecond),
        },
      ]}
      chart={
        <>
          <Plot
            data={data}
            range={range}
            makeOptions={makeOptions}
            heightPx={heightPx}
            onCursor={setCursor}
            summary={`Events per second in the last ${windowLabel}: ${inWords()}.`}
          />
          {isEmpty && (
            <p className="chart-nothing">
              <span>No events in the last {windowLabel}</span>
            </p>
          )}
        </>
      }
      table={
        <StepTable
          caption={`Events per second in the last ${windowLabel}`}
          steps={steps}
          columns={[
            { name: 'Events', valueOf: (step) => formatCount(step.count) },
            { name: 'Per second', valueOf: (step) => formatRate(step.perSecond) },
          ]}
        />
      }
    />
  );
}
