import { expect, it } from 'vitest';
import { createTelemetry, type TelemetryEventName } from '../../telemetry/telemetry.ts';
import { createLifecycle } from './lifecycle.ts';

function setUp(deadlineMs = 60_000) {
  const ended: string[] = [];
  const told: [TelemetryEventName, unknown][] = [];
  const telemetry = createTelemetry();
  telemetry.onAny((name, payload) => told.push([name, payload]));
  const lifecycle = createLifecycle({ telemetry, deadlineMs });
  const add = (name: string, end: () => Promise<unknown> = async () => undefined) =>
    lifecycle.add(name, async () => {
      await end();
      ended.push(name);
    });
  return { lifecycle, add, ended, told };
}

it('ends the parts in reverse order, one after another', async () => {
  const { lifecycle, add, ended, told } = setUp();
  const gate = Promise.withResolvers<void>();
  add('log');
  add('worker', () => gate.promise);
  add('http');
  const stopped = lifecycle.stop('SIGTERM');
  await expect.poll(() => ended).toEqual(['http']);
  gate.resolve();
  expect(await stopped).toEqual({ forced: false });
  expect(ended).toEqual(['http', 'worker', 'log']);
  expect(told).toEqual([
    ['process.stopping', { reason: 'SIGTERM' }],
    ['process.stopped', { forced: false }],
  ]);
});

it('tells of an end that fails, and goes on with the next', async () => {
  const { lifecycle, add, ended, told } = setUp();
  add('log');
  add('worker', async () => {
    throw new Error('stuck');
  });
  add('http', () => {
    throw new Error('thrown at once');
  });
  expect(await lifecycle.stop('SIGTERM')).toEqual({ forced: false });
  expect(ended).toEqual(['log']);
  expect(told.filter(([name]) => name === 'stop.failed')).toEqual([
    ['stop.failed', { step: 'http', error: 'Error: thrown at once' }],
    ['stop.failed', { step: 'worker', error: 'Error: stuck' }],
  ]);
});

it('is forced by the deadline', async () => {
  const { lifecycle, add, ended, told } = setUp(20);
  add('log');
  add('worker', () => new Promise(() => undefined));
  expect(await lifecycle.stop('SIGTERM')).toEqual({ forced: true });
  expect(ended).toEqual([]);
  expect(told.at(-1)).toEqual(['process.stopped', { forced: true }]);
});

it('stops once, whoever asks how often', async () => {
  const { lifecycle, add, ended, told } = setUp();
  add('log');
  expect(lifecycle.isStopping()).toBe(false);
  const [first, second] = [lifecycle.stop('SIGTERM'), lifecycle.stop('again')];
  expect(lifecycle.isStopping()).toBe(true);
  expect(await Promise.all([first, second])).toEqual([{ forced: false }, { forced: false }]);
  expect(await lifecycle.stop('and again')).toEqual({ forced: false });
  expect(ended).toEqual(['log']);
  expect(told.filter(([name]) => name === 'process.stopping')).toHaveLength(1);
});
