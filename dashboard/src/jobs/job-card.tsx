import { useEffect, useState } from 'react';
import type { JobView } from '../../../src/http/contract.ts';
import type { ApiError } from '../api/problem.ts';
import { api } from '../api/request.ts';
import { asApiError } from '../api/use-request.ts';
import { Button } from '../components/button.tsx';
import { Icon } from '../components/icon.tsx';
import { formatCount, plural } from '../format/numbers.ts';

const pollEveryMs = 400;

/** Asks for the job until it is over. A server that is away for a while is asked again. */
function useJob(id: string, onProgress: () => void): { job: JobView | null; error: ApiError | null } {
  const [job, setJob] = useState<JobView | null>(null);
  const [error, setError] = useState<ApiError | null>(null);

  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    let seen = '';
    const ask = async () => {
      try {
        const answer = await api.job(id, controller.signal);
        setJob(answer);
        setError(null);
        const state = `${answer.state} ${answer.done} ${answer.failed}`;
        if (state !== seen) onProgress();
        seen = state;
        if (answer.state !== 'running') return;
      } catch (caught) {
        if (controller.signal.aborted) return;
        const problem = asApiError(caught);
        setError(problem);
        if (problem.status === 404) return;
      }
      timer = setTimeout(ask, pollEveryMs);
    };
    void ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [id, onProgress]);

  return { job, error };
}

function titleOf(job: JobView | null): string {
  if (!job) return 'Starting the redrive';
  if (job.state === 'running')
    return `Redriving ${formatCount(job.done + job.failed)} of ${plural(job.total, 'event')}`;
  if (job.state === 'failed') return 'The redrive stopped';
  return `${plural(job.done, 'event')} redriven`;
}

interface JobCardProps {
  readonly id: string;
  readonly onProgress: () => void;
  readonly onDismiss: () => void;
}

export function JobCard({ id, onProgress, onDismiss }: JobCardProps) {
  const { job, error } = useJob(id, onProgress);
  const isOver = job !== null && job.state !== 'running';
  const isClean = job?.state === 'done' && job.failed === 0;
  return (
    <article className="job">
      <header className="job-head">
        {isOver && (
          <span className={isClean ? 'job-good' : 'job-bad'}>
            <Icon name={isClean ? 'check' : 'warning'} />
          </span>
        )}
        <p role="status" className="job-title">
          {titleOf(job)}
        </p>
        <Button look="quiet" icon="close" aria-label="Dismiss" title="Dismiss" onClick={onDismiss} />
      </header>
      {!isOver && (
        <progress
          className="job-bar"
          aria-label="Redrive"
          max={job?.total || 1}
          value={job ? job.done + job.failed : 0}
        />
      )}
      {job && job.failed > 0 && <p className="job-text">{plural(job.failed, 'event')} could not be redriven.</p>}
      {job?.message && <p className="job-text">{job.message}</p>}
      {error && !isOver && <p className="job-text">{error.message}</p>}
    </article>
  );
}
