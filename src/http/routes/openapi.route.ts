import type { FastifyInstance } from 'fastify';
import { Type } from '../../domain/json-schema.ts';

export function registerOpenApiRoute(app: FastifyInstance, openApi: () => string): void {
  app.get(
    '/openapi.json',
    {
      config: {
        describe: {
          tag: 'Operations',
          summary: 'This description',
          answers: { 200: { description: 'OpenAPI 3.1', contents: { 'application/json': Type.Object({}) } } },
          problems: [],
        },
      },
    },
    (_request, reply) => {
      reply.header('content-type', 'application/json; charset=utf-8').send(openApi());
    },
  );
}
