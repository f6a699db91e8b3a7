import { plural } from '../../format/numbers.ts';
import { formatLag } from '../../format/times.ts';
import './lag.css';

/** How far the store is behind the log. */
export function Lag({ inFlight, lagSeconds }: { readonly inFlight: number; readonly lagSeconds: number }) {
  return (
    <span className="lag">
      Lag <b>{plural(inFlight, 'record')}</b>, <b>{formatLag(lagSeconds)}</b>
    </span>
  );
}
