import { useState } from 'react';
import type { ApiError } from '../../api/problem.ts';
import { api } from '../../api/request.ts';
import { asApiError } from '../../api/use-request.ts';
import { Button } from '../../components/button.tsx';
import { useJobs } from '../../jobs/jobs-provider.tsx';

/** Redrives one event as it is, straight from a list. */
export function RedriveButton({ id, name }: { readonly id: string; readonly name: string }) {
  const { follow } = useJobs();
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);

  const redrive = async () => {
    setIsBusy(true);
    setError(null);
    try {
      const { job_id: jobId } = await api.redriveOne(id);
      if (jobId) follow(jobId);
    } catch (caught) {
      setError(asApiError(caught));
    }
    setIsBusy(false);
  };

  return (
    <>
      {error && (
        <span role="alert" className="redrive-refused" title={error.message}>
          {error.code === 'not_redrivable' ? 'needs an edit' : 'failed'}
        </span>
      )}
      <Button icon="redrive" aria-label={`Redrive ${name}`} isBusy={isBusy} onClick={redrive}>
        Redrive
      </Button>
    </>
  );
}
