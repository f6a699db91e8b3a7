import { plural } from '../../format/numbers.ts';
import { formatLag } from '../../format/times.ts';
import './lag.css';

/** A store that keeps up is behind for fractions of a second. */
const lateFromSeconds = 10;

interface LagProps {
  readonly inFlight: number;
  /** Null while the metrics cannot be read. */
  readonly lagSeconds: number | null;
}

/** How far the store is behind the log. */
export function Lag({ inFlight, lagSeconds }: LagProps) {
  const isLate = lagSeconds !== null && lagSeconds >= lateFromSeconds;
  return (
    <span className={`lag ${isLate ? 'lag-late' : ''}`}>
      Lag <b>{plural(inFlight, 'record')}</b>
      {lagSeconds !== null && (
        <>
          , <b>{formatLag(lagSeconds)}</b>
        </>
      )}
    </span>
  );
}
