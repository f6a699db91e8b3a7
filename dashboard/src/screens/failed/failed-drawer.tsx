import { useState } from 'react';
import type { FailedEventDetail } from '../../../../src/http/contract.ts';
import { api } from '../../api/request.ts';
import { useRequest } from '../../api/use-request.ts';
import { Badge } from '../../components/badge.tsx';
import { Button } from '../../components/button.tsx';
import { CopyButton } from '../../components/copy-button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { Facts } from '../../components/facts.tsx';
import { JsonView } from '../../components/json-view.tsx';
import { Moment } from '../../components/moment.tsx';
import { Failure, Loading } from '../../components/states.tsx';
import { formatBytes } from '../../format/numbers.ts';
import { useJobs } from '../../jobs/jobs-provider.tsx';
import { useLive } from '../../live/live-provider.tsx';
import { DetailLink } from '../../routing/detail-link.tsx';
import { paths } from '../../routing/paths.ts';
import { useDetail } from '../../routing/use-detail.ts';
import { ConflictDifferences } from './conflict-differences.tsx';
import { DiscardBox } from './discard-box.tsx';
import { failedStates, isConflict } from './failed-states.ts';
import { ReasonBox } from './reason-box.tsx';
import { RedriveBox } from './redrive-box.tsx';

export function FailedDrawer({ id }: { readonly id: string }) {
  const { close } = useDetail();
  const { progress } = useJobs();
  const [box, setBox] = useState<'redrive' | 'discard' | null>(null);
  // Kept here, so that an edit outlives its box: Escape closes that to look something up in the record.
  const [draft, setDraft] = useState<string | null>(null);
  // Settled by the batch that takes the new record, a moment after the job is done: the inbox's number tells.
  const openCount = useLive('snapshot')?.ledger?.open_in_inbox;
  const { data, error, reload } = useRequest(
    `failed event ${id}`,
    (signal) => api.failedEvent(id, signal),
    `${openCount} ${progress}`,
  );
  const footer = data?.state === 'open' && (
    <>
      <Button icon="discard" onClick={() => setBox('discard')}>
        Discard
      </Button>
      <Button look="primary" icon="redrive" onClick={() => setBox('redrive')}>
        Redrive
      </Button>
    </>
  );
  return (
    <Dialog kind="drawer" title={data?.event_type ?? 'Failed event'} onClose={close} footer={footer || undefined}>
      {error && !data && <Failure error={error} retry={reload} />}
      {!error && !data && <Loading rows={8} what="the failed event" />}
      {data && <FailedDetails failed={data} />}
      {data && box === 'redrive' && (
        <RedriveBox failed={data} draft={draft} onDraft={setDraft} onClose={() => setBox(null)} />
      )}
      {data && box === 'discard' && <DiscardBox failed={data} onClose={() => setBox(null)} onDiscarded={reload} />}
    </Dialog>
  );
}

function FailedDetails({ failed }: { readonly failed: FailedEventDetail }) {
  const { text, tone } = failedStates[failed.state];
  const { resolution } = failed;
  return (
    <>
      <ReasonBox failed={failed} />
      <Facts
        facts={[
          [
            'State',
            <Badge key="state" tone={tone}>
              {text}
            </Badge>,
          ],
          [
            'Id',
            <span key="id" className="with-copy">
              <code>{failed.id}</code>
              <CopyButton text={failed.id} name="Copy the id" />
            </span>,
          ],
          [
            isConflict(failed) ? 'Stored before under its id' : 'Event',
            failed.event_id && <DetailLink path={paths.event(failed.event_id)}>{failed.event_id}</DetailLink>,
          ],
          ['Key', failed.key],
          ['Attempt', failed.attempt],
          ['Received', <Moment key="received" hasDay at={failed.received_at} />],
          ['Failed', <Moment key="failed" hasDay at={failed.failed_at} />],
          [
            'Origin',
            `log ${failed.origin.log_no}, partition ${failed.origin.partition}, offset ${failed.origin.offset}`,
          ],
          ['Settled', failed.settled_at && <Moment hasDay at={failed.settled_at} />],
          ['Settled as', resolution?.kind.replaceAll('_', ' ')],
          [
            'Became',
            resolution?.event_id && (
              <DetailLink path={paths.event(resolution.event_id)}>{resolution.event_id}</DetailLink>
            ),
          ],
          [
            'Failed again as',
            resolution?.failed_event && (
              <DetailLink path={paths.failedEvent(resolution.failed_event)}>{resolution.failed_event}</DetailLink>
            ),
          ],
        ]}
      />
      {isConflict(failed) && failed.event_id !== null && (
        <ConflictDifferences failed={{ ...failed, event_id: failed.event_id }} />
      )}
      <section className="detail-section">
        <h3>
          Record, {formatBytes(failed.value_bytes)}
          {failed.value === null && ', not UTF-8, shown as Base64'}
        </h3>
        <JsonView text={failed.value ?? failed.value_base64 ?? ''} name="Record" />
      </section>
    </>
  );
}
