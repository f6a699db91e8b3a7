import type { FastifyInstance } from 'fastify';
import { Type } from '../../domain/json-schema.ts';
import { commonHeaders } from '../answer-at-once.ts';
import type { createLive } from '../live.ts';
import { WindowQuery } from '../parameters.ts';
import { ProblemError } from '../problems.ts';

export function registerLiveRoute(app: FastifyInstance, live: ReturnType<typeof createLive>): void {
  app.get<{ Querystring: WindowQuery }>(
    '/api/live',
    {
      // Its headers alone would answer nothing, and a HEAD of a stream would never end.
      exposeHeadRoute: false,
      schema: { querystring: WindowQuery },
      config: {
        describe: {
          tag: 'Metrics',
          summary: 'The same numbers as they change, and recent events, as server-sent events',
          description:
            'Messages: `snapshot` (LiveSnapshot) at most every 100 ms (200 with two hundred clients) while something changes, else every 2 s; `event` ' +
            '(LiveEvents) with a sample of recent events, newest first, and how many were left out. A client that reads ' +
            'too slowly gets the newest snapshot only.',
          answers: {
            200: {
              description: 'A stream that ends only with the server',
              contents: { 'text/event-stream': Type.String() },
            },
          },
          problems: ['invalid_request', 'too_many_live_clients'],
        },
      },
    },
    (request, reply) => {
      if (!live.hasRoom()) {
        throw new ProblemError(
          'too_many_live_clients',
          'All places for live clients are taken; ask /api/metrics instead.',
          {
            retryAfterSeconds: 10,
          },
        );
      }
      reply.hijack();
      const { raw } = reply;
      raw.writeHead(200, {
        ...commonHeaders,
        'x-request-id': request.id,
        'content-type': 'text/event-stream; charset=utf-8',
        // Proxies such as nginx would otherwise hold the stream back until a buffer is full.
        'x-accel-buffering': 'no',
        // The connection serves nothing after the stream, and must not hold up a shutdown as an idle one.
        connection: 'close',
      });
      const client = live.connect(request.query.window, {
        write: (message) => raw.write(message),
        end: () => raw.end(),
        destroy: () => raw.destroy(),
      });
      raw.on('drain', client.drained);
      raw.on('close', client.closed);
    },
  );
}
