import { formatMoment } from '../format/times.ts';

/** A point in time: short to read, whole on hover, or with its day and time zone. */
export function Moment({ at, hasDay = false }: { readonly at: string; readonly hasDay?: boolean }) {
  // A leap second, which a client may well have sent, is no time to a browser.
  const text = Number.isNaN(Date.parse(at)) ? at : formatMoment(at, hasDay ? null : Date.now());
  return (
    <time dateTime={at} title={at}>
      {text}
    </time>
  );
}
