import { useState } from 'react';
import type { ApiError } from '../../api/problem.ts';
import { api } from '../../api/request.ts';
import { asApiError, useRequest } from '../../api/use-request.ts';
import { Button } from '../../components/button.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { Failure, Loading } from '../../components/states.tsx';
import { plural } from '../../format/numbers.ts';
import { useJobs } from '../../jobs/jobs-provider.tsx';
import { reasonText } from './failed-states.ts';

interface BulkRedriveProps {
  readonly filter: { readonly event_type?: string; readonly reason?: string };
  readonly onClose: () => void;
}

/** Counts first, with a dry run, and redrives only after that number was seen. */
export function BulkRedrive({ filter, onClose }: BulkRedriveProps) {
  const { follow } = useJobs();
  const [isBusy, setIsBusy] = useState(false);
  const [refusal, setRefusal] = useState<ApiError | null>(null);
  const count = useRequest(`dry run ${JSON.stringify(filter)}`, async () => {
    const all = await api.redriveMany({ filter, dry_run: true });
    const mayBeConflicts = filter.reason === undefined || filter.reason === 'conflict';
    const ofConflicts = { ...filter, reason: 'conflict' };
    const conflicts = mayBeConflicts ? await api.redriveMany({ filter: ofConflicts, dry_run: true }) : null;
    return { ...all, conflicts: conflicts?.matched ?? 0 };
  });

  const redrive = async () => {
    setIsBusy(true);
    setRefusal(null);
    try {
      const { job_id: jobId } = await api.redriveMany({ filter });
      if (jobId) follow(jobId);
      onClose();
    } catch (error) {
      setRefusal(asApiError(error));
      setIsBusy(false);
    }
  };

  const matched = count.data?.matched ?? 0;
  return (
    <Dialog
      kind="box"
      title="Redrive failed events"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" disabled={matched === 0} isBusy={isBusy} onClick={redrive}>
            {matched > 0 ? `Redrive ${plural(matched, 'event')}` : 'Redrive'}
          </Button>
        </>
      }
    >
      {count.error && <Failure error={count.error} retry={count.reload} />}
      {!count.data && !count.error && <Loading rows={2} what="the number of events" />}
      {count.data && (
        <>
          <p className="box-text">
            <span className="box-number">{plural(matched, 'open event')}</span> would be sent through again
            {filter.event_type && (
              <>
                , of the type <span className="box-number">{filter.event_type}</span>
              </>
            )}
            {filter.reason && (
              <>
                , with the reason <span className="box-number">{reasonText(filter.reason)}</span>
              </>
            )}
            . Those that fail again come back here, with one attempt more.
          </p>
          {count.data.conflicts > 0 && (
            <p className="box-text">
              <span className="box-number">{plural(count.data.conflicts, 'conflict')}</span> among them, whose ids
              belong to events that are stored already: each is stored as another event beside that one, under a new id.
            </p>
          )}
          {count.data.skipped > 0 && (
            <p className="box-text">
              {plural(count.data.skipped, 'event')} cannot be redriven without an edit and would stay.
            </p>
          )}
        </>
      )}
      {refusal && <Failure error={refusal} />}
    </Dialog>
  );
}
