import type { Event } from '../../api/shapes.ts';
import { Moment } from '../../components/moment.tsx';
import { formatLatency } from '../../format/numbers.ts';
import { DetailLink } from '../../routing/detail-link.tsx';
import { paths } from '../../routing/paths.ts';
import './event-row.css';

/** Characters of a payload that a row can show at most. */
const previewCharacters = 240;

export function EventTableHead() {
  return (
    <thead>
      <tr>
        <th scope="col">Received</th>
        <th scope="col">Type</th>
        <th scope="col" className="column-wide">
          Source
        </th>
        <th scope="col" className="column-payload column-mid">
          Payload
        </th>
        <th scope="col" className="number column-wide">
          Partition, offset
        </th>
        <th scope="col" className="number">
          Latency
        </th>
      </tr>
    </thead>
  );
}

export function EventRow({ event, isNew = false }: { readonly event: Event; readonly isNew?: boolean }) {
  const latencyMs = Math.max(0, Date.parse(event.stored_at) - Date.parse(event.received_at));
  return (
    <tr className={isNew ? 'row-new' : undefined}>
      <td className="soft">
        <DetailLink path={paths.event(event.id)} className="row-link" label={`${event.event_type}, ${event.id}`}>
          <Moment at={event.received_at} />
        </DetailLink>
      </td>
      <td className="event-type clip">{event.event_type}</td>
      <td className="column-wide event-source clip soft">{event.source ?? <span className="faint">none</span>}</td>
      <td className="column-payload column-mid">
        <code className="event-preview clip">{event.payload.slice(0, previewCharacters)}</code>
      </td>
      <td className="number column-wide soft">
        {event.partition}, {event.offset}
      </td>
      <td className="number">{formatLatency(latencyMs)}</td>
    </tr>
  );
}
