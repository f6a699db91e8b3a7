import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
import { JobCard } from './job-card.tsx';
import './jobs.css';

interface Jobs {
  /** Shows the job's progress in the corner of the page, on whichever screen, until it is done and dismissed. */
  readonly follow: (jobId: string) => void;
  /** Grows whenever a followed job moves on: lists that show its events ask again. */
  readonly progress: number;
}

const JobsContext = createContext<Jobs>({ follow: () => undefined, progress: 0 });

export const useJobs = () => useContext(JobsContext);

export function JobsProvider({ children }: { readonly children: ReactNode }) {
  const [ids, setIds] = useState<readonly string[]>([]);
  const [progress, setProgress] = useState(0);
  const onProgress = useCallback(() => setProgress((before) => before + 1), []);
  const follow = useCallback(
    (jobId: string) => setIds((before) => (before.includes(jobId) ? before : [...before, jobId])),
    [],
  );
  const jobs = useMemo(() => ({ follow, progress }), [follow, progress]);
  return (
    <JobsContext value={jobs}>
      {children}
      <section className="jobs" aria-label="Jobs">
        {ids.map((id) => (
          <JobCard
            key={id}
            id={id}
            onProgress={onProgress}
            onDismiss={() => setIds((before) => before.filter((other) => other !== id))}
          />
        ))}
      </section>
    </JobsContext>
  );
}
