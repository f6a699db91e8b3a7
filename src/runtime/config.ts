import { resolve } from 'node:path';
import { limits } from '../domain/limits.ts';

/** Everything an operator can set, checked as a whole. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly partitions: number;
  /** Null: rows are kept for ever. */
  readonly retentionMs: number | null;
  readonly logRetentionMs: number;
  readonly eventTypesMax: number;
  readonly allowedHosts: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly freeDiskBytesMin: number;
  readonly maintenanceEveryMs: number;
}

/** What a command that talks to a running server needs. */
export interface ClientConfig {
  readonly url: string;
  readonly apiKey: string | null;
}

export interface ConfigProblem {
  readonly variable: string;
  readonly message: string;
}

export type Loaded<T> =
  | { readonly ok: true; readonly config: T }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];
const logFormats = ['json', 'text'] as const;
export type LogFormat = (typeof logFormats)[number];

type Environment = Readonly<Record<string, string | undefined>>;

/** The one place that reads the environment. */
export function processEnvironment(): Environment {
  return process.env;
}

/** Reads every variable and answers all problems at once, each naming its variable and what it takes. */
export function loadConfig(env: Environment): Loaded<Config> {
  const read = createReader(env);
  const retentionDays = read.number('ESP_RETENTION_DAYS', null, { min: 1 / 24, max: 36_500 });
  const retentionMs = retentionDays === null ? null : retentionDays * 24 * 3_600_000;
  const host = read.text('HOST', '127.0.0.1');
  const config: Config = {
    host,
    port: read.integer('PORT', 3000, { min: 0, max: 65_535 }),
    dataDir: resolve(read.text('ESP_DATA_DIR', './data')),
    partitions: read.integer('ESP_PARTITIONS', 8, { min: 1, max: 256 }),
    retentionMs,
    // An event may be sent again as long as the log could still deliver its first copy, so rows must outlive the log.
    logRetentionMs: Math.min(limits.logRetentionMs, retentionMs ?? Number.POSITIVE_INFINITY),
    eventTypesMax: read.integer('ESP_EVENT_TYPES_MAX', limits.eventTypesMax, { min: 1, max: 100_000 }),
    allowedHosts: read.list('ESP_ALLOWED_HOSTS', ['localhost', '127.0.0.1', '::1', host]),
    logLevel: read.oneOf('ESP_LOG_LEVEL', 'info', logLevels),
    logFormat: read.oneOf('ESP_LOG_FORMAT', 'json', logFormats),
    freeDiskBytesMin: read.integer('ESP_FREE_DISK_BYTES_MIN', limits.freeDiskBytesMin, { min: 0, max: 2 ** 50 }),
    maintenanceEveryMs: read.integer('ESP_MAINTENANCE_EVERY_MS', limits.maintenanceEveryMs, {
      min: 10,
      max: 3_600_000,
    }),
  };
  refuseExternalParts(env, read.problems);
  return read.problems.length === 0 ? { ok: true, config } : { ok: false, problems: read.problems };
}

export function loadClientConfig(env: Environment): Loaded<ClientConfig> {
  const read = createReader(env);
  // PORT as well, so that one setting moves the server and what talks to it.
  const port = env.ESP_URL?.trim() ? 0 : read.integer('PORT', 3000, { min: 0, max: 65_535 });
  const url = read.text('ESP_URL', `http://127.0.0.1:${port || 3000}`).replace(/\/+$/, '');
  if (!/^https?:\/\/[^/\s]+/.test(url)) {
    read.problems.push({ variable: 'ESP_URL', message: 'must be a URL such as http://127.0.0.1:3000' });
  }
  const apiKey = env.ESP_API_KEY || null;
  return read.problems.length === 0 ? { ok: true, config: { url, apiKey } } : { ok: false, problems: read.problems };
}

/** Whoever sets one of these wants Kafka, PostgreSQL and Redis, which this version must not quietly run without. */
function refuseExternalParts(env: Environment, problems: ConfigProblem[]): void {
  const names = ['KAFKA_BROKERS', 'DATABASE_URL', 'REDIS_URL'];
  const isSet = (name: string) => Boolean(env[name] || env[`${name}_FILE`]);
  const set = names.filter(isSet);
  if (set.length === 0) return;
  problems.push({
    variable: set.join(', '),
    message: 'this version runs embedded only: Kafka, PostgreSQL and Redis are not supported yet; unset it',
  });
}

/** Upwards, so that the smallest number told is one that is taken. */
function rounded(min: number): number {
  return Math.ceil(min * 1000) / 1000;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function createReader(env: Environment) {
  const problems: ConfigProblem[] = [];

  function number<Default extends number | null>(variable: string, fallback: Default, range: Range): number | Default {
    const text = env[variable]?.trim();
    if (!text) return fallback;
    const value = Number(text);
    if (value >= range.min && value <= range.max) return value;
    problems.push({ variable, message: `must be a number from ${rounded(range.min)} to ${range.max}, got "${text}"` });
    return fallback;
  }

  return {
    problems,
    number,
    integer(variable: string, fallback: number, range: Range): number {
      const value = number(variable, fallback, range);
      if (Number.isInteger(value)) return value;
      problems.push({ variable, message: `must be a whole number, got "${env[variable]}"` });
      return fallback;
    },
    text(variable: string, fallback: string): string {
      return env[variable]?.trim() || fallback;
    },
    list(variable: string, fallback: readonly string[]): readonly string[] {
      const text = env[variable]?.trim();
      const items = text ? text.split(',').map((item) => item.trim()) : fallback;
      return items.filter((item) => item !== '').map((item) => item.toLowerCase());
    },
    oneOf<const Choice extends string>(variable: string, fallback: Choice, choices: readonly Choice[]): Choice {
      const text = env[variable]?.trim().toLowerCase();
      if (!text) return fallback;
      const found = choices.find((choice) => choice === text);
      if (found !== undefined) return found;
      problems.push({ variable, message: `must be one of ${choices.join(', ')}, got "${text}"` });
      return fallback;
    },
  };
}
