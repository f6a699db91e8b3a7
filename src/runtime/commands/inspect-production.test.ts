import { expect, it, vi } from 'vitest';
import { freePort } from '../../testing/stack/free-port.ts';
import { loadConfig } from '../config/config.ts';
import { inspectProduction } from './inspect-production.ts';

const happened = vi.hoisted(() => [] as string[]);

vi.mock('../compose/compose.topics.ts', async (importOriginal) => {
  const real = await importOriginal<typeof import('../compose/compose.topics.ts')>();
  happened.push('the last import');
  return real;
});
vi.mock('../compose/compose.checks.ts', async (importOriginal) => {
  const real = await importOriginal<typeof import('../compose/compose.checks.ts')>();
  const noted =
    <Parameters extends unknown[], Result>(ask: (...parameters: Parameters) => Result) =>
    (...parameters: Parameters): Result => {
      happened.push('a question');
      return ask(...parameters);
    };
  return { checkDatabase: noted(real.checkDatabase), checkMetricsServer: noted(real.checkMetricsServer) };
});

it('asks nobody anything while it is still importing, since no answer would be heard in time', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const loaded = loadConfig({
    KAFKA_BROKERS: address,
    DATABASE_URL: `postgres://nobody@${address}/none`,
    REDIS_URL: `redis://${address}`,
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const findings = await inspectProduction(loaded.config, loaded.config.production!);
  expect(findings.map(({ level }) => level)).toEqual(['problem', 'problem', 'problem']);
  expect(happened).toEqual(['the last import', 'a question', 'a question']);
});
