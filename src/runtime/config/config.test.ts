import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { limits } from '../../domain/limits.ts';
import type { ConfigProblem } from './config.reader.ts';
import { type Config, loadClientConfig, loadConfig } from './config.ts';

function configOf(env: Record<string, string> = {}): Config {
  const loaded = loadConfig(env);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

function problemsOf(env: Record<string, string>): readonly ConfigProblem[] {
  const loaded = loadConfig(env);
  return loaded.ok ? [] : loaded.problems;
}

function writtenFile(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'config-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'value');
  writeFileSync(path, text);
  return path;
}

const dayMs = 24 * 3_600_000;

describe('the configuration', () => {
  it('needs nothing', () => {
    expect(configOf()).toEqual({
      host: '127.0.0.1',
      port: 3000,
      dataDir: join(process.cwd(), 'data'),
      partitions: 8,
      retentionMs: null,
      logRetentionMs: limits.logRetentionMs,
      eventTypesMax: limits.eventTypesMax,
      allowedHosts: ['127.0.0.1'],
      allowedOrigins: [],
      logLevel: 'info',
      logFormat: 'json',
      freeDiskBytesMin: limits.freeDiskBytesMin,
      maintenanceEveryMs: limits.maintenanceEveryMs,
      drainMs: null,
      reusePort: false,
      httpThreads: 1,
      workerPort: 0,
      production: null,
    });
  });

  it('takes every variable', () => {
    const env = {
      HOST: '0.0.0.0',
      PORT: ' 8080 ',
      ESP_DATA_DIR: '/var/lib/esp',
      ESP_PARTITIONS: '3',
      ESP_RETENTION_DAYS: '2',
      ESP_EVENT_TYPES_MAX: '5',
      ESP_ALLOWED_HOSTS: 'Events.example, api.example,',
      ESP_ALLOWED_ORIGINS: 'https://Events.example, http://[::1]:8080',
      ESP_LOG_LEVEL: 'WARN',
      ESP_LOG_FORMAT: 'text',
      ESP_FREE_DISK_BYTES_MIN: '0',
      ESP_MAINTENANCE_EVERY_MS: '50',
      ESP_DRAIN_SECONDS: '1.5',
      ESP_WORKER_PORT: '9100',
      ESP_REUSE_PORT: 'true',
      ESP_HTTP_THREADS: '4',
    };
    expect(configOf(env)).toEqual({
      host: '0.0.0.0',
      port: 8080,
      dataDir: '/var/lib/esp',
      partitions: 3,
      retentionMs: 2 * dayMs,
      logRetentionMs: 2 * dayMs,
      eventTypesMax: 5,
      allowedHosts: ['0.0.0.0', 'events.example', 'api.example'],
      allowedOrigins: ['https://events.example', 'http://[::1]:8080'],
      logLevel: 'warn',
      logFormat: 'text',
      freeDiskBytesMin: 0,
      maintenanceEveryMs: 50,
      drainMs: 1_500,
      workerPort: 9100,
      reusePort: true,
      httpThreads: 4,
      production: null,
    });
  });

  it('keeps the log no longer than the rows, or a repeat could find its first copy gone', () => {
    expect(configOf({ ESP_RETENTION_DAYS: '0.5' }).logRetentionMs).toBe(dayMs / 2);
    expect(configOf({ ESP_RETENTION_DAYS: '400' }).logRetentionMs).toBe(limits.logRetentionMs);
  });

  it('takes what is empty as not set', () => {
    expect(configOf({ PORT: '', HOST: '  ', ESP_LOG_LEVEL: '', ESP_ALLOWED_HOSTS: '', REDIS_URL: '' })).toEqual(
      configOf(),
    );
  });
});

describe('what is wrong', () => {
  it('is told all at once, each with its variable and what it takes', () => {
    const problems = problemsOf({
      PORT: '70000',
      ESP_PARTITIONS: '0',
      ESP_RETENTION_DAYS: 'soon',
      ESP_EVENT_TYPES_MAX: '1.5',
      ESP_LOG_LEVEL: 'loud',
      ESP_FREE_DISK_BYTES_MIN: '-1',
      ESP_MAINTENANCE_EVERY_MS: 'Infinity',
      KAFKA_BROKERS: 'localhost:9092',
      DATABASE_URL: 'postgres://localhost/esp',
      REDIS_URL: 'localhost',
    });
    expect(problems.map(({ variable }) => variable).sort()).toEqual([
      'ESP_EVENT_TYPES_MAX',
      'ESP_FREE_DISK_BYTES_MIN',
      'ESP_LOG_LEVEL',
      'ESP_MAINTENANCE_EVERY_MS',
      'ESP_PARTITIONS',
      'ESP_RETENTION_DAYS',
      'PORT',
      'REDIS_URL',
    ]);
    const messages = new Map(problems.map(({ variable, message }) => [variable, message]));
    expect(messages.get('PORT')).toBe('must be a number from 0 to 65535, got "70000"');
    expect(messages.get('ESP_RETENTION_DAYS')).toBe('must be a number from 0.042 to 36500, got "soon"');
    expect(messages.get('ESP_EVENT_TYPES_MAX')).toBe('must be a whole number, got "1.5"');
    expect(messages.get('ESP_LOG_LEVEL')).toMatch(/one of trace, .*got "loud"/);
  });
});

it('a name that is nearly a setting’s is not passed over', () => {
  const env = {
    ...{ ESP_DATADIR: '/x', ESP_PARTITION: '4', ESP_RETENTION: '3', KAFKA_BROKER: 'k:9092' },
    // Nothing of ours: such as what Kubernetes sets for a service of that name.
    ...{ ESP_SOMETHING_ELSE: 'y', ESP_PORT: 'tcp://10.0.0.1:80', ESP_SERVICE_HOST: '10.0.0.1', ESP_URL: 'http://x' },
    ...{ KAFKA_HEAP_OPTS: '-Xmx1g', KAFKA_SERVICE_HOST: '10.0.0.2' },
  };
  expect(loadConfig(env)).toEqual({
    ok: false,
    problems: [
      { variable: 'ESP_DATADIR', message: 'is no setting: did you mean ESP_DATA_DIR?' },
      { variable: 'ESP_PARTITION', message: 'is no setting: did you mean ESP_PARTITIONS?' },
      { variable: 'ESP_RETENTION', message: 'is no setting: did you mean ESP_RETENTION_DAYS?' },
      { variable: 'KAFKA_BROKER', message: 'is no setting: did you mean KAFKA_BROKERS?' },
    ],
  });
});

it('host names are names', () => {
  expect(configOf({ ESP_ALLOWED_HOSTS: 'events.example, events.example:8080, 10.1.2.3, [::1]' }).allowedHosts).toEqual([
    ...['127.0.0.1', 'events.example', 'events.example:8080', '10.1.2.3', '[::1]'],
  ]);
  expect(loadConfig({ ESP_ALLOWED_HOSTS: 'https://events.example' })).toEqual({
    ok: false,
    problems: [
      {
        variable: 'ESP_ALLOWED_HOSTS',
        message: 'must be names without a scheme, such as events.example, got "https://events.example"',
      },
    ],
  });
});

describe('a client’s configuration', () => {
  it('has the local server where nothing is set', () => {
    expect(loadClientConfig({})).toEqual({ ok: true, config: { url: 'http://127.0.0.1:3000', apiKey: null } });
  });

  it('has the local server’s port where that is set, unless it is any free one', () => {
    expect(loadClientConfig({ PORT: '3400' })).toMatchObject({ config: { url: 'http://127.0.0.1:3400' } });
    expect(loadClientConfig({ PORT: '0' })).toMatchObject({ config: { url: 'http://127.0.0.1:3000' } });
    expect(loadClientConfig({ PORT: 'x' })).toMatchObject({ ok: false, problems: [{ variable: 'PORT' }] });
    expect(loadClientConfig({ PORT: 'x', ESP_URL: 'http://a' })).toMatchObject({ config: { url: 'http://a' } });
  });

  it('takes its key from a file', () => {
    const path = writtenFile('k-1\n');
    expect(loadClientConfig({ ESP_API_KEY_FILE: path })).toMatchObject({ config: { apiKey: 'k-1' } });
  });

  it('takes a URL with a path, without its last slash, and a key', () => {
    expect(loadClientConfig({ ESP_URL: 'https://esp.example/base//', ESP_API_KEY: 'k' })).toEqual({
      ok: true,
      config: { url: 'https://esp.example/base', apiKey: 'k' },
    });
  });

  it.each(['localhost:3000', 'ftp://a', 'http://'])('refuses %s', (url) => {
    expect(loadClientConfig({ ESP_URL: url })).toMatchObject({ ok: false, problems: [{ variable: 'ESP_URL' }] });
  });
});
