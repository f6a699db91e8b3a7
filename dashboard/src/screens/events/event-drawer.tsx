import { api } from '../../api/request.ts';
import type { WholeEvent } from '../../api/shapes.ts';
import { useRequest } from '../../api/use-request.ts';
import { Badge } from '../../components/badge.tsx';
import { CopyButton } from '../../components/copy-button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { Facts } from '../../components/facts.tsx';
import { JsonView } from '../../components/json-view.tsx';
import { Moment } from '../../components/moment.tsx';
import { Failure, Loading } from '../../components/states.tsx';
import { formatLatency } from '../../format/numbers.ts';
import { DetailLink } from '../../routing/detail-link.tsx';
import { paths } from '../../routing/paths.ts';
import { useDetail } from '../../routing/use-detail.ts';
import { Timeline } from './timeline.tsx';

export function EventDrawer({ id }: { readonly id: string }) {
  const { close } = useDetail();
  const { data, error, reload } = useRequest(`event ${id}`, (signal) => api.event(id, signal));
  return (
    <Dialog kind="drawer" title={data?.event_type ?? 'Event'} onClose={close}>
      {error && !data && <Failure error={error} retry={reload} />}
      {!error && !data && <Loading rows={8} what="the event" />}
      {data && <EventDetails event={data} />}
    </Dialog>
  );
}

function EventDetails({ event }: { readonly event: WholeEvent }) {
  const latencyMs = event.stored_at === null ? null : Date.parse(event.stored_at) - Date.parse(event.received_at);
  return (
    <>
      <Facts
        facts={[
          [
            'Status',
            <Badge key="status" tone={event.status === 'stored' ? 'good' : 'bad'}>
              {event.status === 'stored' ? 'Stored' : 'Failed'}
            </Badge>,
          ],
          [
            'Id',
            <span key="id" className="with-copy">
              <code>{event.id}</code>
              <CopyButton text={event.id} name="Copy the id" />
            </span>,
          ],
          ["Client's id", event.client_id && <code>{event.client_id}</code>],
          ['Source', event.source],
          ['Key', event.key],
          ['Occurred', event.occurred_at && <Moment hasDay at={event.occurred_at} />],
          ['Received', <Moment key="received" hasDay at={event.received_at} />],
          ['Stored', event.stored_at && <Moment hasDay at={event.stored_at} />],
          ['Latency', latencyMs === null ? null : formatLatency(Math.max(0, latencyMs))],
          ['Position', `partition ${event.partition}, offset ${event.offset}`],
          [
            'Failed event',
            event.failed_event && (
              <DetailLink path={paths.failedEvent(event.failed_event)}>{event.failed_event}</DetailLink>
            ),
          ],
        ]}
      />
      {event.payload !== null && (
        <section className="detail-section">
          <h3>Payload</h3>
          <JsonView text={event.payload} name="Payload" />
        </section>
      )}
      <section className="detail-section">
        <h3>Timeline</h3>
        <Timeline entries={event.timeline} />
      </section>
    </>
  );
}
