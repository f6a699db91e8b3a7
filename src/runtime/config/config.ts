import { join, resolve } from 'node:path';
import { limits } from '../../domain/limits.ts';
import { originOf } from '../../http/host-guard.ts';
import { type ProductionConfig, readProductionConfig } from './config.production.ts';
import { type ConfigProblem, type ConfigReader, createConfigReader, type Environment } from './config.reader.ts';

/** Everything an operator can set, checked as a whole. */
export interface Config {
  readonly host: string;
  readonly port: number;
  /** Whether several APIs of this machine may listen at one port, the system handing each connection to one of them. */
  readonly reusePort: boolean;
  /** Threads of `esp api` that serve HTTP. */
  readonly httpThreads: number;
  readonly dataDir: string;
  readonly partitions: number;
  /** Null: rows are kept for ever. */
  readonly retentionMs: number | null;
  readonly logRetentionMs: number;
  readonly eventTypesMax: number;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly freeDiskBytesMin: number;
  readonly maintenanceEveryMs: number;
  /**
   * How long it goes on serving once it is to stop. Null: limits.drainMs for an API, which others stand in for; else
   * not at all.
   */
  readonly drainMs: number | null;
  /** Where `esp worker` tells of its health; 0: any free port, so that several on one machine never collide. */
  readonly workerPort: number;
  /** Null: embedded. */
  readonly production: ProductionConfig | null;
}

/** What is where in the data directory. */
export function dataFiles(dataDir: string) {
  return { log: join(dataDir, 'log'), store: join(dataDir, 'store.sqlite') };
}

/** What of it a worker needs, wherever it runs. */
export function workerSettings({ eventTypesMax, retentionMs, logRetentionMs, maintenanceEveryMs }: Config) {
  return { eventTypesMax, retentionMs, logRetentionMs, maintenanceEveryMs };
}

/** What a command that talks to a running server needs. */
export interface ClientConfig {
  readonly url: string;
  readonly apiKey: string | null;
}

export type Loaded<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];
const logFormats = ['json', 'text'] as const;
export type LogFormat = (typeof logFormats)[number];

/** The one place that reads the environment. */
export function processEnvironment(): Environment {
  return process.env;
}

/** Reads every variable and answers all problems at once, each naming its variable and what it takes. */
export function loadConfig(env: Environment): Loaded<Config> {
  const read = createConfigReader(env);
  const retentionDays = read.number('ESP_RETENTION_DAYS', null, { min: 1 / 24, max: 36_500 });
  const retentionMs = retentionDays === null ? null : retentionDays * 24 * 3_600_000;
  const drainSeconds = read.number('ESP_DRAIN_SECONDS', null, { min: 0, max: 300 });
  const host = read.text('HOST', '127.0.0.1');
  const config: Config = {
    host,
    port: read.integer('PORT', 3000, { min: 0, max: 65_535 }),
    reusePort: read.flag('ESP_REUSE_PORT') ?? false,
    httpThreads: read.integer('ESP_HTTP_THREADS', 1, { min: 1, max: limits.httpThreadsMax }),
    dataDir: resolve(read.text('ESP_DATA_DIR', './data')),
    partitions: read.integer('ESP_PARTITIONS', 8, { min: 1, max: limits.partitionsMax }),
    retentionMs,
    // An event may be sent again as long as the log could still deliver its first copy, so rows must outlive the log.
    logRetentionMs: Math.min(limits.logRetentionMs, retentionMs ?? Number.POSITIVE_INFINITY),
    eventTypesMax: read.integer('ESP_EVENT_TYPES_MAX', limits.eventTypesMax, { min: 1, max: 100_000 }),
    allowedHosts: [host, ...readHosts(read)],
    allowedOrigins: readOrigins(read),
    logLevel: read.oneOf('ESP_LOG_LEVEL', 'info', logLevels),
    logFormat: read.oneOf('ESP_LOG_FORMAT', 'json', logFormats),
    freeDiskBytesMin: read.integer('ESP_FREE_DISK_BYTES_MIN', limits.freeDiskBytesMin, { min: 0, max: 2 ** 50 }),
    maintenanceEveryMs: read.integer('ESP_MAINTENANCE_EVERY_MS', limits.maintenanceEveryMs, {
      min: 10,
      max: 3_600_000,
    }),
    drainMs: drainSeconds === null ? null : drainSeconds * 1_000,
    workerPort: read.integer('ESP_WORKER_PORT', 0, { min: 0, max: 65_535 }),
    production: readProductionConfig(read),
  };
  const problems = [...read.problems, ...read.misspelt('ESP_'), ...read.misspelt('KAFKA_')];
  return problems.length === 0 ? { ok: true, config } : { ok: false, problems };
}

function readHosts(read: ConfigReader): readonly string[] {
  const variable = 'ESP_ALLOWED_HOSTS';
  const hosts = read.list(variable, []);
  for (const host of hosts.filter((each) => !/^([\w.-]+|\[[\da-f:.]+\])(:\d+)?$/.test(each))) {
    const message = `must be names without a scheme, such as events.example, got "${host}"`;
    read.problems.push({ variable, message });
  }
  return hosts;
}

function readOrigins(read: ConfigReader): readonly string[] {
  const variable = 'ESP_ALLOWED_ORIGINS';
  const origins = read.list(variable, []);
  for (const origin of origins.filter((each) => originOf(each) === null)) {
    read.problems.push({ variable, message: `must be origins such as https://events.example, got "${origin}"` });
  }
  return origins;
}

export function loadClientConfig(env: Environment): Loaded<ClientConfig> {
  const read = createConfigReader(env);
  // PORT as well, so that one setting moves the server and what talks to it.
  const port = env.ESP_URL?.trim() ? 0 : read.integer('PORT', 3000, { min: 0, max: 65_535 });
  const url = read.text('ESP_URL', `http://127.0.0.1:${port || 3000}`).replace(/\/+$/, '');
  if (!/^https?:\/\/[^/\s]+/.test(url)) {
    read.problems.push({ variable: 'ESP_URL', message: 'must be a URL such as http://127.0.0.1:3000' });
  }
  const apiKey = read.secret('ESP_API_KEY');
  return read.problems.length === 0 ? { ok: true, config: { url, apiKey } } : { ok: false, problems: read.problems };
}
