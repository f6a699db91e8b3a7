import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clocks } from '../../domain/clocks.ts';
import { UnavailableError } from '../../domain/failure.ts';
import type { EventLog } from '../../event-log/event-log.ts';
import type { EventStore } from '../../event-store/event-store.ts';
import { createHttpApp } from '../../http/app.ts';
import type { HttpDependencies, Operations } from '../../http/dependencies.ts';
import { createIngest, type Ingest } from '../../ingest/ingest.ts';
import type { ClosedCode } from '../../ingest/ingest-answer.ts';
import type { StickyRun } from '../../ingest/sticky-partitioner.ts';
import type { MetricsStore } from '../../metrics-store/metrics-store.ts';
import { pause } from '../../processing/pause.ts';
import { createRedrive, type Redrive } from '../../processing/redrive.ts';
import { compareMetrics } from '../../processing/verify-metrics.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import { callsOf, type LatePart } from '../compose/late-part.ts';
import { lateIngest, lateLog, lateMetrics } from '../compose/late-server-parts.ts';
import type { ServerParts } from '../compose/parts.ts';
import type { Config } from '../config/config.ts';
import { createOperations, type OperationsParts } from './operations.ts';
import { dashboardDir, productVersion } from './package-files.ts';
import { boundsOfThread } from './thread-bounds.ts';

export interface ApiOptions extends Clocks, Pick<HttpDependencies, 'prometheus' | 'readiness' | 'isStopping'> {
  readonly config: Pick<Config, 'allowedHosts' | 'allowedOrigins'>;
  readonly parts: Pick<ServerParts, 'log' | 'verifyStore' | 'createReference'>;
  readonly ports: ServerPorts;
  readonly telemetry: Telemetry;
  /** Why nothing may be appended now. */
  readonly closed: () => ClosedCode | null;
  readonly halted: OperationsParts['halted'];
  /** How many serve HTTP in this process, and share its bounds. */
  readonly httpThreads: number;
  readonly stickyRun: StickyRun;
}

/** Ports that are there at once, over parts that may not be open yet. */
export interface ServerPorts {
  readonly log: EventLog;
  readonly store: EventStore;
  readonly metrics: MetricsStore;
}

export function portsOf(
  { log, metrics }: Pick<ServerParts, 'log' | 'metrics'>,
  store: LatePart<EventStore>,
): ServerPorts {
  return { log: lateLog(log), store: callsOf(store), metrics: lateMetrics(metrics) };
}

/** What one thread serves HTTP with. */
export interface Api {
  readonly redrive: Redrive;
  readonly ingest: Ingest;
  readonly operations: Operations;
  /** Without a socket. */
  readonly app: ReturnType<typeof createHttpApp>;
}

export function createApi({
  config,
  parts,
  ports: { log, store, metrics },
  telemetry,
  now,
  elapsed,
  closed,
  httpThreads,
  stickyRun,
  ...options
}: ApiOptions): Api {
  const bounds = boundsOfThread(httpThreads);
  const redrive = createRedrive({
    log,
    store,
    telemetry,
    now,
    elapsed,
    assertOpen: () => assertOpen(closed()),
    random: Math.random,
    pause,
    newId: randomUUID,
  });
  const ingest = lateIngest(parts.log, (open) =>
    createIngest({ log: open, telemetry, now, gate: closed, limits: bounds.ingest, run: stickyRun }),
  );
  const operations = createOperations({
    log,
    store,
    metrics,
    redrive,
    now,
    elapsed,
    halted: options.halted,
    async verify() {
      const { createReference } = parts;
      const differences = await compareMetrics({ store, metrics, createReference, now, pause });
      return [...(await parts.verifyStore(store)), ...differences];
    },
  });
  const { prometheus, readiness, isStopping } = options;
  const { allowedHosts, allowedOrigins } = config;
  const app = createHttpApp(
    {
      ingest,
      store,
      metrics,
      operations,
      telemetry,
      prometheus,
      readiness,
      isStopping,
      options: { version: productVersion(), allowedHosts, allowedOrigins, dashboardDir: existingDashboard() },
    },
    bounds.http,
  );
  return { redrive, ingest, operations, app };
}

/** A redrive may begin while the process stops: it is waited for. */
function assertOpen(code: ClosedCode | null): void {
  if (code === 'disk_full') throw new UnavailableError(code, 'There is too little free disk space to append events.');
  if (code === 'log_replaced') {
    throw new UnavailableError(
      code,
      'The log is not the one that the store belongs to: `esp doctor` explains the ways out.',
    );
  }
}

function existingDashboard(): string | null {
  const directory = dashboardDir();
  return existsSync(join(directory, 'index.html')) ? directory : null;
}
