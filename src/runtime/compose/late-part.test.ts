import { expect, it, onTestFinished } from 'vitest';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { pause } from '../../processing/pause.ts';
import { createTelemetry, type TelemetryEvents } from '../../telemetry/telemetry.ts';
import { callsOf, type LatePart, openLate } from './late-part.ts';

interface Part {
  greet(name: string): Promise<string>;
}

const away = new UnavailableError('store_unavailable', 'nobody answers');

/** A part that is opened as often as the test says how. */
function setUp(...tries: (Error | Part)[]) {
  const waiting: TelemetryEvents['part.waiting'][] = [];
  const opened: TelemetryEvents['part.opened'][] = [];
  const closed: Part[] = [];
  const telemetry = createTelemetry();
  telemetry.on('part.waiting', (payload) => waiting.push(payload));
  telemetry.on('part.opened', (payload) => opened.push(payload));
  let next = 0;
  const late: LatePart<Part> = openLate({
    name: 'store',
    async open() {
      const result = tries[Math.min(next++, tries.length - 1)]!;
      if (result instanceof Error) throw result;
      return result;
    },
    close: async (part) => void closed.push(part),
    telemetry,
    elapsed: () => 0,
    random: () => 0.5,
    pause: (_ms, signal) => pause(0, signal),
  });
  onTestFinished(() => late.close());
  return { late, waiting, opened, closed, tries: () => next };
}

const part: Part = { greet: async (name) => `hello ${name}` };

it('is there at the first try, and nothing is said', async () => {
  const { late, waiting, opened } = setUp(part);
  await late.firstTry;
  expect(await late.opened).toBe(part);
  expect(late.current()).toBe(part);
  expect(late.problem()).toBeNull();
  expect([waiting, opened]).toEqual([[], []]);
});

it('is waited for where it is away, and says so', async () => {
  const { late, waiting, opened } = setUp(away, away, part);
  await late.firstTry;
  await late.opened;
  expect(waiting).toMatchObject([
    { part: 'store', reason: 'nobody answers', attempt: 0, retryInMs: 100 },
    { part: 'store', attempt: 1, retryInMs: 200 },
  ]);
  expect(opened).toEqual([{ part: 'store', waitedMs: 0 }]);
});

it('rejects its first try where waiting is no help, and goes on trying all the same', async () => {
  const { late } = setUp(new StartupError('run esp migrate'), part);
  await expect(late.firstTry).rejects.toThrow(StartupError);
  expect(await late.opened).toBe(part);
});

it('does not end a process that has been running when something turns out to be set up wrong later', async () => {
  const { late, waiting, tries } = setUp(
    away,
    new StartupError('run esp migrate'),
    new StartupError('run esp migrate'),
  );
  await late.firstTry;
  await expect.poll(tries).toBeGreaterThan(2);
  expect(late.problem()).toBe('run esp migrate');
  expect(waiting.at(-1)?.reason).toBe('run esp migrate');
});

it('answers its callers that it is unavailable, with the reason, until it is open', async () => {
  const gate = Promise.withResolvers<Part>();
  const late = openLate({
    name: 'metrics',
    open: () => gate.promise,
    close: async () => undefined,
    telemetry: createTelemetry(),
    elapsed: () => 0,
    random: () => 0,
    pause,
  });
  const calls = callsOf(late);
  expect(() => late.current()).toThrow(UnavailableError);
  await expect(calls.greet('you')).rejects.toMatchObject({ code: 'metrics_unavailable' });
  // It is no promise, whoever awaits it.
  expect(await Promise.resolve(calls)).toBe(calls);
  gate.resolve(part);
  await late.opened;
  expect(await calls.greet('you')).toBe('hello you');
  await late.close();
});

it('closes what it opened, once, and what was not yet open it tries no more', async () => {
  const there = setUp(part);
  await there.late.opened;
  await Promise.all([there.late.close(), there.late.close()]);
  expect(there.closed).toEqual([part]);

  const never = setUp(away);
  await never.late.firstTry;
  await never.late.close();
  const tries = never.tries();
  await expect(never.late.opened).rejects.toThrow(/closed/);
  expect(never.tries()).toBe(tries);
  expect(never.closed).toEqual([]);
});
