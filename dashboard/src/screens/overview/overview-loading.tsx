import { Loading } from '../../components/states.tsx';

/** Keeps the page's shape until the first snapshot is here. */
export function OverviewLoading() {
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
