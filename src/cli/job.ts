import { setTimeout as delay } from 'node:timers/promises';
import type { JobView } from '../http/contract.ts';
import type { ApiClient } from './api-client.ts';
import { type CliContext, formatCount, interruption } from './context.ts';
import { createProgress } from './progress.ts';

const pollMs = 200;

/** Follows a job to its end. Interrupting the command leaves the job running. */
export async function waitForJob(
  client: ApiClient,
  jobId: string,
  { stderr, interrupted }: Pick<CliContext, 'stderr' | 'interrupted'>,
): Promise<JobView> {
  const progress = createProgress(stderr);
  try {
    while (true) {
      const job: JobView = await client.json(`/api/jobs/${encodeURIComponent(jobId)}`);
      if (job.state !== 'running') return job;
      progress.update(() => `${formatCount(job.done)} of ${formatCount(job.total)}`);
      await delay(pollMs, undefined, { signal: interrupted }).catch(() => {
        throw interruption();
      });
    }
  } finally {
    progress.clear();
  }
}
