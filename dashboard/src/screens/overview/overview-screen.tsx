import { useMemo } from 'react';
import { stepsOf } from '../../components/chart/steps.ts';
import { Choice } from '../../components/choice.tsx';
import { useTitle } from '../../components/use-title.ts';
import { useLive } from '../../live/live-provider.tsx';
import { useWindow } from '../../routing/use-window.ts';
import { windowNames, windows } from '../../routing/windows.ts';
import { AsOf } from '../../shell/as-of.tsx';
import { FirstRun } from '../first-run.tsx';
import { EventTypes } from './event-types.tsx';
import { FailedPanel } from './failed-panel.tsx';
import { Headline } from './headline.tsx';
import { LatencyChart } from './latency-chart.tsx';
import { LedgerStrip } from './ledger-strip.tsx';
import './overview.css';
import { OverviewLoading } from './overview-loading.tsx';
import { OverviewMissing } from './overview-missing.tsx';
import { RateChart } from './rate-chart.tsx';
import { RecentEvents } from './recent-events.tsx';

const windowOptions = windowNames.map((name) => ({ value: name, text: name, label: `Last ${windows[name].label}` }));

export function OverviewScreen() {
  useTitle('Overview');
  const [window, setWindow] = useWindow();
  const snapshot = useLive('snapshot');
  const metrics = snapshot?.metrics;
  const ledger = snapshot?.ledger;
  const steps = useMemo(() => (metrics ? stepsOf(metrics) : []), [metrics]);

  if (ledger?.appended === 0) return <FirstRun />;
  const head = (
    <div className="page-head">
      <div className="page-title">
        <h1>Overview</h1>
        <AsOf />
      </div>
      <Choice legend="Time window" value={window} options={windowOptions} onChange={setWindow} />
    </div>
  );
  if (!metrics || !ledger) {
    return (
      <>
        {head}
        {snapshot ? <OverviewMissing ledger={ledger ?? null} /> : <OverviewLoading />}
      </>
    );
  }

  // The numbers on the screen belong to the snapshot's window, also in the moment after another one was chosen.
  const shownWindow = windows[metrics.window as keyof typeof windows] ?? windows[window];
  const end = Date.parse(metrics.as_of);
  const chart = {
    steps,
    stepSeconds: metrics.step_seconds,
    range: [(end - shownWindow.lengthMs) / 1_000, end / 1_000] as const,
    windowLabel: shownWindow.label,
  };
  return (
    <>
      {head}
      <div className="overview" aria-busy={metrics.window !== window}>
        <section className="panel overview-headline" aria-label="Numbers">
          <Headline metrics={metrics} ledger={ledger} windowLabel={shownWindow.label} />
          <LedgerStrip ledger={ledger} lagSeconds={metrics.lag_seconds} />
        </section>
        <div className="overview-charts">
          <RateChart {...chart} ratePerSecond={metrics.rate_per_second} />
          <LatencyChart {...chart} overall={metrics.latency_ms} />
        </div>
        <EventTypes metrics={metrics} window={window} windowLabel={shownWindow.label} />
        <RecentEvents />
        <FailedPanel openCount={ledger.open_in_inbox} />
      </div>
    </>
  );
}
