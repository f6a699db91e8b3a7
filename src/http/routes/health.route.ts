import type { FastifyInstance } from 'fastify';
import { Type } from '../../domain/json-schema.ts';
import { ReadinessView } from '../contract.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { json } from '../describe.ts';
import { readinessView } from '../status-views.ts';

type Dependencies = Pick<HttpDependencies, 'readiness' | 'prometheus' | 'options'>;

const LivenessView = Type.Object({ status: Type.Literal('ok'), version: Type.String() });

export function registerHealthRoutes(app: FastifyInstance, { readiness, prometheus, options }: Dependencies): void {
  app.get(
    '/health/live',
    {
      config: {
        describe: {
          tag: 'Operations',
          summary: 'Whether the process answers at all',
          answers: { 200: json('It does', LivenessView) },
          problems: [],
        },
      },
    },
    async () => ({ status: 'ok', version: options.version }),
  );

  app.get(
    '/health/ready',
    {
      config: {
        describe: {
          tag: 'Operations',
          summary: 'Whether it can do its work, and what is missing',
          answers: { 200: json('Ready', ReadinessView), 503: json('Not ready, with the reasons', ReadinessView) },
          problems: [],
        },
      },
    },
    async (_request, reply) => {
      const view = readinessView(await readiness());
      return reply.code(view.ready ? 200 : 503).send(view);
    },
  );

  app.get(
    '/metrics',
    {
      config: {
        describe: {
          tag: 'Operations',
          summary: 'Prometheus text exposition',
          answers: { 200: { description: 'The metrics', contents: { 'text/plain': Type.String() } } },
          problems: [],
        },
      },
    },
    async (_request, reply) => {
      const { contentType, body } = await prometheus();
      return reply.header('content-type', contentType).send(body);
    },
  );
}
