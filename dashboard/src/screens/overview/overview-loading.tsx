import { Empty, Loading } from '../../components/states.tsx';
import { useLive } from '../../live/live-provider.tsx';

/** Keeps the page's shape until the first snapshot is here. */
export function OverviewLoading() {
  const { state } = useLive('connection');
  if (state === 'reconnecting') {
    return (
      <div className="panel">
        <Empty title="The server does not answer">The numbers appear by themselves as soon as it does.</Empty>
      </div>
    );
  }
  return (
    <div className="overview">
      <section className="panel overview-headline" aria-label="Numbers">
        <Loading rows={4} what="the numbers" />
      </section>
      <div className="panel">
        <Loading rows={9} what="the charts" />
      </div>
      <div className="panel">
        <Loading rows={9} what="the event types" />
      </div>
    </div>
  );
}
