import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ProductionConfig } from './config.production.ts';
import { loadConfig } from './config.ts';

const three = {
  KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092',
  DATABASE_URL: 'postgres://esp:secret@db/esp',
  REDIS_URL: 'redis://cache:6379',
};

function productionOf(env: Record<string, string>): ProductionConfig | null {
  const loaded = loadConfig(env);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config.production;
}

function problemsOf(env: Record<string, string>): Record<string, string> {
  const loaded = loadConfig(env);
  if (loaded.ok) return {};
  return Object.fromEntries(loaded.problems.map(({ variable, message }) => [variable, message]));
}

function fileWith(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'config-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'secret');
  writeFileSync(path, text);
  return path;
}

describe('Kafka, PostgreSQL and Redis', () => {
  it('are used where all three are set, under names that need no setting', () => {
    expect(productionOf(three)).toEqual({
      kafka: {
        brokers: ['kafka-1:9092', 'kafka-2:9092'],
        clientId: 'esp',
        topic: 'events',
        failedTopic: 'events.failed',
        group: 'esp',
        tls: null,
        sasl: null,
      },
      databaseUrl: 'postgres://esp:secret@db/esp',
      redis: { url: 'redis://cache:6379', prefix: 'esp' },
    });
  });

  it('may be a cluster of Redis, by several addresses', () => {
    const url = 'rediss+cluster://esp:secret@a:7001,b:7002,c:7003';
    expect(productionOf({ ...three, REDIS_URL: url })?.redis.url).toBe(url);
  });

  it('are not where none is', () => {
    expect(productionOf({ ESP_TOPIC: 'events', KAFKA_BROKERS: ' ' })).toBeNull();
  });

  it.each([
    [{ KAFKA_BROKERS: 'a:9092' }, 'DATABASE_URL, REDIS_URL', /since KAFKA_BROKERS is/],
    [
      { DATABASE_URL: 'postgres://a/b', REDIS_URL: 'redis://a' },
      'KAFKA_BROKERS',
      /since DATABASE_URL and REDIS_URL are/,
    ],
  ])('%o names what is missing', (env, missing, message) => {
    expect(problemsOf(env)).toEqual({ [missing]: expect.stringMatching(message) });
  });

  it('takes every variable', () => {
    const env = {
      ...three,
      ESP_CLIENT_ID: 'esp-a',
      ESP_TOPIC: 'shop.events',
      ESP_FAILED_TOPIC: 'shop.dead',
      ESP_GROUP: 'shop',
      ESP_REDIS_PREFIX: 'shop',
      KAFKA_TLS: 'true',
      KAFKA_TLS_SERVER_NAME: 'kafka.internal',
      KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      KAFKA_SASL_USERNAME: 'esp',
      KAFKA_SASL_PASSWORD: 'pw',
    };
    expect(productionOf(env)).toMatchObject({
      kafka: {
        clientId: 'esp-a',
        topic: 'shop.events',
        failedTopic: 'shop.dead',
        group: 'shop',
        tls: { serverName: 'kafka.internal' },
        sasl: { mechanism: 'SCRAM-SHA-512', username: 'esp', password: 'pw' },
      },
      redis: { prefix: 'shop' },
    });
  });

  it('takes a token for Kafka, or a file that somebody renews', () => {
    const oauth = { ...three, KAFKA_SASL_MECHANISM: 'oauthbearer' };
    expect(productionOf({ ...oauth, KAFKA_SASL_TOKEN: 't0' })?.kafka.sasl).toEqual({
      mechanism: 'OAUTHBEARER',
      token: 't0',
    });
    const tokenFile = fileWith('t1');
    expect(productionOf({ ...oauth, KAFKA_SASL_TOKEN_FILE: tokenFile })?.kafka.sasl).toEqual({
      mechanism: 'OAUTHBEARER',
      tokenFile,
    });
    expect(problemsOf(oauth)).toEqual({ KAFKA_SASL_TOKEN: expect.stringMatching(/wants a token/) });
    expect(problemsOf({ ...oauth, KAFKA_SASL_TOKEN_FILE: '/nowhere' })).toEqual({
      KAFKA_SASL_TOKEN_FILE: expect.stringMatching(/can't be read/),
    });
  });

  it('takes a database behind a Unix socket', () => {
    const url = 'postgres:///esp?host=/var/run/postgresql';
    expect(productionOf({ ...three, DATABASE_URL: url })?.databaseUrl).toBe(url);
  });
});

describe('secrets', () => {
  it('may lie in files', () => {
    const production = productionOf({
      KAFKA_BROKERS: 'a:9092',
      DATABASE_URL_FILE: fileWith('postgres://esp:s3cret@db/esp\n'),
      REDIS_URL_FILE: fileWith('rediss://:s3cret@cache'),
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: 'esp',
      KAFKA_SASL_PASSWORD_FILE: fileWith(' s3cret\n'),
      KAFKA_TLS_CA_FILE: fileWith('-----BEGIN CERTIFICATE-----'),
    });
    expect(production).toMatchObject({
      databaseUrl: 'postgres://esp:s3cret@db/esp',
      redis: { url: 'rediss://:s3cret@cache' },
      kafka: { sasl: { password: 's3cret' }, tls: { ca: '-----BEGIN CERTIFICATE-----' } },
    });
  });

  it('are told where their file can’t be read, is empty, or is set beside the value', () => {
    const problems = problemsOf({
      ...three,
      REDIS_URL_FILE: '/nowhere/at/all',
      KAFKA_SASL_PASSWORD_FILE: fileWith('\n'),
      KAFKA_SASL_USERNAME: 'esp',
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_TLS_CA_FILE: '/nowhere/ca.pem',
    });
    expect(problems).toEqual({
      REDIS_URL_FILE: expect.stringMatching(/REDIS_URL as well/),
      KAFKA_SASL_PASSWORD_FILE: expect.stringMatching(/is empty/),
      KAFKA_TLS_CA_FILE: expect.stringMatching(/nowhere.*ENOENT/),
    });
  });

  it('are never repeated in what is wrong with them', () => {
    const problems = problemsOf({ ...three, DATABASE_URL: 'mysql://esp:s3cret@db', REDIS_URL: 's3cret' });
    expect(Object.keys(problems).sort()).toEqual(['DATABASE_URL', 'REDIS_URL']);
    expect(JSON.stringify(problems)).not.toContain('s3cret');
  });
});

describe('what is wrong', () => {
  it.each([
    ['KAFKA_BROKERS', 'kafka', /host:port/],
    ['KAFKA_BROKERS', 'kafka:9092,,b:9092', /host:port/],
    ['KAFKA_BROKERS', 'kafka:99999', /host:port/],
    ['DATABASE_URL', 'postgres://', /URL such as postgres:/],
    ['REDIS_URL', 'http://cache', /URL such as redis:/],
    ['ESP_TOPIC', 'my events', /characters/],
    ['ESP_FAILED_TOPIC', 'events', /another topic/],
    ['ESP_REDIS_PREFIX', '{a}', /characters/],
    ['KAFKA_TLS', 'yes', /true, false/],
    ['KAFKA_SASL_MECHANISM', 'kerberos', /scram-sha-256/],
  ])('%s=%s', (variable, value, message) => {
    expect(problemsOf({ ...three, [variable]: value })[variable]).toMatch(message);
  });

  it('half of a client certificate, and half of a login', () => {
    expect(problemsOf({ ...three, KAFKA_TLS_CERT: 'pem', KAFKA_SASL_USERNAME: 'esp' })).toEqual({
      KAFKA_TLS_KEY: expect.stringMatching(/go together/),
      KAFKA_SASL_MECHANISM: expect.stringMatching(/go together/),
      KAFKA_SASL_PASSWORD: expect.stringMatching(/go together/),
    });
  });

  it('certificates for a connection that is said to have no TLS', () => {
    expect(problemsOf({ ...three, KAFKA_TLS: 'false', KAFKA_TLS_CA: 'pem' })).toEqual({
      KAFKA_TLS: expect.stringMatching(/certificates/),
    });
  });
});
