import type { FastifyInstance } from 'fastify';
import { limits } from '../domain/limits.ts';
import { type Admission, createAdmission } from './admission.ts';
import { createAnswerRoom } from './answer-room.ts';
import { type BareApp, createBareApp, type HttpLimits } from './bare-app.ts';
import type { HttpDependencies } from './dependencies.ts';
import { acceptJsonText } from './json-body.ts';
import { endConnections } from './last-request.ts';
import { createLive } from './live.ts';
import { createOpenApi } from './openapi.ts';
import { registerDashboardRoutes } from './routes/dashboard.route.ts';
import { registerEventsRoutes } from './routes/events.route.ts';
import { registerFailedEventsRoutes } from './routes/failed-events.route.ts';
import { registerHealthRoutes } from './routes/health.route.ts';
import { registerIngestRoute } from './routes/ingest.route.ts';
import { registerJobsRoute } from './routes/jobs.route.ts';
import { registerLiveRoute } from './routes/live.route.ts';
import { registerMaintenanceRoutes, registerMetricsRoutes } from './routes/metrics.route.ts';
import { registerOpenApiRoute } from './routes/openapi.route.ts';
import { shedLoad } from './shed-load.ts';

/** The API and the dashboard, as an app without a socket. Closing it ends live streams too. */
export function createHttpApp(deps: HttpDependencies, httpLimits: HttpLimits = limits): FastifyInstance {
  const bare = createBareApp(deps, httpLimits);
  const { telemetry, isStopping, admission = admitByThread(deps) } = deps;
  const submit: HttpDependencies['ingest']['submit'] = (request) => admission.during(deps.ingest.submit(request));
  registerRoutes(bare, { ...deps, ingest: { ...deps.ingest, submit } }, httpLimits);
  const shedding = shedLoad(bare.app.server, { admission, telemetry });
  endConnections(bare.app.server, isStopping);
  bare.app.addHook('preClose', (done) => {
    shedding.tellAll();
    done();
  });
  return bare.app;
}

/** By how busy the thread is that this runs in. */
function admitByThread({ telemetry }: Pick<HttpDependencies, 'telemetry'>): Admission {
  return createAdmission({
    elapsed: () => performance.now(),
    idle: () => performance.eventLoopUtilization().idle,
    random: Math.random,
    onChange: (isShedding, underWayMax) =>
      telemetry.emit(isShedding ? 'overload.began' : 'overload.ended', { underWayMax }),
  });
}

/** What a process tells of itself that serves nothing else: health and its own metrics. */
export function createHealthApp(
  deps: Pick<HttpDependencies, 'readiness' | 'prometheus' | 'options' | 'telemetry' | 'isStopping'>,
): FastifyInstance {
  const { app } = createBareApp(deps);
  registerHealthRoutes(app, deps);
  endConnections(app.server, deps.isStopping);
  return app;
}

function registerRoutes({ app, routes }: BareApp, deps: HttpDependencies, httpLimits: HttpLimits): void {
  const live = createLive(deps, {
    snapshotMinMs: httpLimits.liveSnapshotMinMs,
    snapshotPerClientMs: httpLimits.liveSnapshotPerClientMs,
    snapshotIdleMs: httpLimits.liveSnapshotIdleMs,
    ledgerEveryMs: httpLimits.liveLedgerEveryMs,
    clientsMax: httpLimits.liveClientsMax,
    eventsPerTick: httpLimits.liveEventsPerTick,
    eventBytesPerTick: httpLimits.liveEventBytesPerTick,
    stalledMs: httpLimits.liveStalledMs,
  });
  const room = createAnswerRoom({
    heldMax: httpLimits.answersHeldCharactersMax,
    readingMax: httpLimits.answersReadMax,
  });
  app.addHook('preClose', (done) => {
    live.close();
    done();
  });

  // Scopes of their own, since each takes other content types.
  app.register((scope, _options, done) => {
    registerIngestRoute(scope, deps, httpLimits);
    done();
  });
  app.register((scope, _options, done) => {
    acceptJsonText(scope);
    registerFailedEventsRoutes(scope, deps, room);
    registerMaintenanceRoutes(scope, deps);
    done();
  });
  registerEventsRoutes(app, deps, room);
  registerMetricsRoutes(app, deps, room);
  registerJobsRoute(app, deps);
  registerLiveRoute(app, live);
  registerHealthRoutes(app, deps);
  registerOpenApiRoute(app, createOpenApi(routes, deps.options.version));
  registerDashboardRoutes(app, deps.options.dashboardDir);
}
