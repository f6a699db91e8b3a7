import Fastify, { type FastifyInstance } from 'fastify';
import { limits } from '../domain/limits.ts';
import { commonHeaders } from './answer-at-once.ts';
import type { HttpDependencies } from './dependencies.ts';
import { createHostGuard } from './host-guard.ts';
import type { RegisteredRoute } from './openapi.ts';
import { createErrorHandler } from './problem-answer.ts';
import { ProblemError } from './problems.ts';
import { BodyRequest } from './request-body.ts';
import { createRequestIds } from './request-id.ts';
import { createSocketErrorHandler } from './socket-errors.ts';
import { createUnknownAddressHandler } from './unknown-address.ts';
import { createValidatorCompiler } from './validator.ts';

/** What bounds connections and live clients; tests shorten some. */
export interface HttpLimits {
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly requestsFinishMs: number;
  /** How often connections are looked at for these timeouts: they may end that much later. */
  readonly connectionsCheckMs: number;
  readonly connectionsMax: number;
  readonly liveSnapshotMinMs: number;
  readonly liveSnapshotPerClientMs: number;
  readonly liveSnapshotIdleMs: number;
  readonly liveLedgerEveryMs: number;
  readonly liveClientsMax: number;
  readonly liveEventsPerTick: number;
  readonly liveEventBytesPerTick: number;
  readonly liveStalledMs: number;
  /** Of bodies that are on their way, all together. */
  readonly arrivingBodiesBytesMax: number;
  /** Of large answers that wait for their clients, in characters, and how many are put together at a time. */
  readonly answersHeldCharactersMax: number;
  readonly answersReadMax: number;
}

const liveUrl = '/api/live';
/** Addresses that no route took are counted together: a scanner must not make a time series of each that it tries. */
const unknownRoute = '(unknown)';

/**
 * In place of Fastify's own compilers, so that it does not load them: ours check requests, and no route has a schema of
 * its answers.
 */
function unused(): never {
  throw new Error('schemas are compiled by validator.ts, and answers have none');
}

export interface BareApp {
  readonly app: FastifyInstance;
  /** Every route that is registered, as it comes. */
  readonly routes: readonly RegisteredRoute[];
}

/**
 * An HTTP app without a route and without a socket: `inject` works on it as it is, `listen` gives it one. Every error
 * it can answer, whoever throws it, is a problem document. `close` lets requests under way finish for a while, and
 * refuses new ones.
 */
export function createBareApp(
  deps: Pick<HttpDependencies, 'telemetry' | 'options'>,
  httpLimits: HttpLimits = limits,
): BareApp {
  const requestIds = createRequestIds();
  const hostGuard = createHostGuard(deps.options);
  const handleError = createErrorHandler(deps.telemetry);
  const app = Fastify({
    // Telemetry does the logging; nothing here logs by itself.
    logger: false,
    bodyLimit: limits.requestBytesMax,
    genReqId: (request) => requestIds(request.headers['x-request-id']),
    requestTimeout: httpLimits.requestTimeoutMs,
    keepAliveTimeout: httpLimits.keepAliveTimeoutMs,
    http: {
      IncomingMessage: BodyRequest,
      headersTimeout: httpLimits.headersTimeoutMs,
      connectionsCheckingInterval: httpLimits.connectionsCheckMs,
      // The host guard answers a request without Host, as a problem document.
      requireHostHeader: false,
    },
    // Fastify's own answer while it closes is not a problem document; the hook below gives one.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500 },
    schemaController: { compilersFactory: { buildValidator: unused, buildSerializer: unused } },
    clientErrorHandler: createSocketErrorHandler(requestIds),
    frameworkErrors: (error, request, reply) => {
      reply.headers(commonHeaders).header('x-request-id', request.id);
      handleError(error, request, reply);
    },
  });
  app.server.maxConnections = httpLimits.connectionsMax;
  // An expectation that is not 100-continue may be ignored (RFC 9110, 10.1.1); Node's default answers an empty 417.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.removeAllContentTypeParsers();
  app.setErrorHandler(handleError);
  app.setValidatorCompiler(createValidatorCompiler());

  let isClosing = false;
  app.addHook('preClose', (done) => {
    isClosing = true;
    const timer = setTimeout(() => app.server.closeAllConnections(), httpLimits.requestsFinishMs).unref();
    app.server.once('close', () => clearTimeout(timer));
    done();
  });
  app.addHook('onRequest', (request, _reply, done) => {
    if (isClosing) throw new ProblemError('shutting_down', 'The server is stopping. Send this again in a moment.');
    hostGuard.check(request.raw);
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    const own = reply.getHeaders();
    reply.headers({ ...commonHeaders, ...own, 'x-request-id': request.id });
    done(null, payload);
  });
  app.addHook('onResponse', (request, reply, done) => {
    // The listener closed idle connections once, when it was told to close; this one has only now become idle.
    if (isClosing) setImmediate(() => app.server.closeIdleConnections());
    const route = request.routeOptions.url ?? unknownRoute;
    // A live stream lasts as long as its client likes; it would tell nothing about how fast answers are.
    if (route !== liveUrl) {
      const { method } = request;
      deps.telemetry.emit('request.completed', {
        method,
        route,
        status: reply.statusCode,
        durationMs: reply.elapsedTime,
      });
    }
    done();
  });

  const routes: RegisteredRoute[] = [];
  const knownPaths = new Set<string>();
  app.addHook('onRoute', ({ method, url, schema, config }) => {
    for (const each of [method].flat())
      if (each !== 'HEAD') routes.push({ method: each, url, schema, describe: config?.describe });
    if (!url.includes('*')) knownPaths.add(url);
  });
  app.setNotFoundHandler(createUnknownAddressHandler(app, knownPaths));

  return { app, routes };
}
