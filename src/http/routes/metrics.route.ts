import type { FastifyInstance } from 'fastify';
import type { AnswerRoom } from '../answer-room.ts';
import { LedgerView, MetricsView, RebuildView, VerifyView } from '../contract.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { json } from '../describe.ts';
import { refuseBody } from '../json-body.ts';
import { NoQuery, WindowQuery } from '../parameters.ts';
import { ledgerView, metricsView } from '../status-views.ts';

type Dependencies = Pick<HttpDependencies, 'metrics' | 'operations'>;

export function registerMetricsRoutes(
  app: FastifyInstance,
  { metrics, operations }: Dependencies,
  room: AnswerRoom,
): void {
  app.get<{ Querystring: WindowQuery }>(
    '/api/metrics',
    {
      schema: { querystring: WindowQuery },
      config: {
        describe: {
          tag: 'Metrics',
          summary: 'Counts, rate, latency and lag of a window, and all-time totals',
          answers: { 200: json('The metrics of the window', MetricsView) },
          problems: [
            'invalid_request',
            'metrics_unavailable',
            'store_unavailable',
            'log_unavailable',
            'too_many_answers',
          ],
        },
      },
    },
    async ({ query: { window } }, reply) => {
      // Thousands of types make it a megabyte.
      const view = await room.answer(reply, async () => {
        const now = Date.now();
        const [reading, lagSeconds] = await Promise.all([metrics.read(window, now), operations.lagSeconds()]);
        return JSON.stringify(metricsView(window, reading, lagSeconds, now));
      });
      return reply.header('content-type', 'application/json; charset=utf-8').send(view);
    },
  );

  app.get(
    '/api/ledger',
    {
      schema: { querystring: NoQuery },
      config: {
        describe: {
          tag: 'Metrics',
          summary: 'Where every record that was ever taken has ended',
          answers: { 200: json('The ledger, from one snapshot of the store', LedgerView) },
          problems: ['store_unavailable', 'log_unavailable'],
        },
      },
    },
    async () => ledgerView(await operations.ledger()),
  );
}

export function registerMaintenanceRoutes(
  app: FastifyInstance,
  { operations }: Pick<HttpDependencies, 'operations'>,
): void {
  // Both read everything there is: a second request joins the one that runs.
  const verify = shared(() => operations.verify());
  const rebuild = shared(() => operations.rebuildMetrics());

  app.post(
    '/api/verify',
    {
      schema: { querystring: NoQuery },
      preValidation: refuseBody,
      config: {
        describe: {
          tag: 'Operations',
          summary: 'Compares rows, rollups, totals and progress, whole',
          description: 'Reads everything: takes minutes on a large store. Nothing is changed.',
          answers: { 200: json('What differs; empty is well', VerifyView) },
          problems: ['store_unavailable'],
        },
      },
    },
    async () => ({ discrepancies: (await verify()).map(({ code, message }) => ({ code, message })) }),
  );

  app.post(
    '/api/metrics/rebuild',
    {
      schema: { querystring: NoQuery },
      preValidation: refuseBody,
      config: {
        describe: {
          tag: 'Operations',
          summary: 'Makes the metrics of every partition anew from the store',
          answers: { 200: json('How many partitions were rebuilt', RebuildView) },
          problems: ['store_unavailable', 'metrics_unavailable'],
        },
      },
    },
    async () => ({ partitions: await rebuild() }),
  );
}

function shared<Result>(run: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | null = null;
  return () => {
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  };
}
