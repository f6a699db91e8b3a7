import { useState } from 'react';
import type { ApiError } from '../../api/problem.ts';
import { api } from '../../api/request.ts';
import { asApiError } from '../../api/use-request.ts';
import { Button } from '../../components/button.tsx';
import { useJobs } from '../../jobs/jobs-provider.tsx';

/** Redrives one event as it is, straight from a list. */
export function RedriveButton({ id, name }: { readonly id: string; readonly name: string }) {
  const { follow } = useJobs();
  const [step, setStep] = useState<'ready' | 'busy' | 'sent'>('ready');
  const [error, setError] = useState<ApiError | null>(null);

  const redrive = async () => {
    setStep('busy');
    setError(null);
    try {
      const { job_id: jobId } = await api.redriveOne(id);
      if (jobId) follow(jobId);
      // Until the list is asked again: a second click would only be refused.
      setStep('sent');
    } catch (caught) {
      setError(asApiError(caught));
      setStep('ready');
    }
  };

  return (
    <>
      {error && (
        <span role="alert" className="redrive-refused" title={error.message}>
          Refused
        </span>
      )}
      <Button
        icon={step === 'sent' ? 'check' : 'redrive'}
        aria-label={`Redrive ${name}`}
        title="Redrive as it is"
        isBusy={step !== 'ready'}
        onClick={redrive}
      >
        <span className="redrive-word">Redrive</span>
      </Button>
    </>
  );
}
