import type { FastifyInstance } from 'fastify';
import { JobView } from '../contract.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { json } from '../describe.ts';
import { IdParameter, NoQuery } from '../parameters.ts';
import { ProblemError } from '../problems.ts';
import { jobView } from '../views.ts';

export function registerJobsRoute(app: FastifyInstance, { store }: Pick<HttpDependencies, 'store'>): void {
  app.get<{ Params: IdParameter }>(
    '/api/jobs/:id',
    {
      schema: { params: IdParameter, querystring: NoQuery },
      config: {
        describe: {
          tag: 'Failed events',
          summary: 'Progress of a redrive',
          answers: { 200: json('The job', JobView) },
          problems: ['job_not_found', 'store_unavailable'],
        },
      },
    },
    async ({ params: { id } }) => {
      const job = await store.job(id);
      if (job === null) throw new ProblemError('job_not_found', `There is no job ${id}.`);
      return jobView(job);
    },
  );
}
