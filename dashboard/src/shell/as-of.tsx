import { formatClock } from '../format/times.ts';
import { useLive } from '../live/live-provider.tsx';

/** Beside a title while the numbers under it are old: of when they are. */
export function AsOf() {
  const { state } = useLive('connection');
  const snapshot = useLive('snapshot');
  if (!snapshot?.metrics || (state !== 'stale' && state !== 'reconnecting')) return null;
  return <span className="as-of">numbers of {formatClock(Date.parse(snapshot.metrics.as_of))}</span>;
}
