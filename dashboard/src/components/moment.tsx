import { formatMoment } from '../format/times.ts';

/** A point in time: short to read, whole on hover, or with its day even if that is today. */
export function Moment({ at, hasDay = false }: { readonly at: string; readonly hasDay?: boolean }) {
  return (
    <time dateTime={at} title={at}>
      {formatMoment(at, hasDay ? null : Date.now())}
    </time>
  );
}
