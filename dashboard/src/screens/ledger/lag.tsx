import { plural } from '../../format/numbers.ts';
import { formatLag } from '../../format/times.ts';
import './lag.css';

/** A store that keeps up is behind for fractions of a second. */
const lateFromSeconds = 10;

/** How far the store is behind the log. */
export function Lag({ inFlight, lagSeconds }: { readonly inFlight: number; readonly lagSeconds: number }) {
  return (
    <span className={`lag ${lagSeconds >= lateFromSeconds ? 'lag-late' : ''}`}>
      Lag <b>{plural(inFlight, 'record')}</b>, <b>{formatLag(lagSeconds)}</b>
    </span>
  );
}
