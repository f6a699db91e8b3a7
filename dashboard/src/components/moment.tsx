import { formatMoment } from '../format/times.ts';

/** A point in time: short to read, whole on hover. */
export function Moment({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={at}>
      {formatMoment(at, Date.now())}
    </time>
  );
}
