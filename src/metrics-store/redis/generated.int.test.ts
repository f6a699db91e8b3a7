import { afterAll, beforeAll, expect, it } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { rollupSteps } from '../../domain/rollup.ts';
import { deltaOf, type Happened, happenings, snapshotOf } from '../../testing/metrics-history.ts';
import { createRandom, testSeed } from '../../testing/random.ts';
import { createTestClient, type TestClient } from '../../testing/redis-client.ts';
import { startProxy, type TcpProxy } from '../../testing/stack/proxy.ts';
import { freshPrefix, sharedRedisUrl } from '../../testing/stack/shared.ts';
import { createMemoryMetricsStore } from '../memory/metrics-store.memory.ts';
import {
  type ApplyResult,
  type MetricsStore,
  type MetricsUpdate,
  type MetricsWindow,
  metricsWindows,
} from '../metrics-store.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';

/**
 * Random commits of three partitions, carried to Redis by two processes that take turns, over connections that are cut
 * under them, with updates left out, repeated and rebuilt at random: after every round, every reader shows what the
 * memory store shows, to the unit.
 */
const { minuteMs, hourMs } = rollupSteps;
const windows = Object.keys(metricsWindows) as MetricsWindow[];
const partitions = [0, 1, 2];

let url: string;
let proxy: TcpProxy;
let client: TestClient;

beforeAll(async () => {
  url = await sharedRedisUrl();
  proxy = await startProxy({ targetPort: Number(new URL(url).port) });
  client = await createTestClient(url);
});
afterAll(async () => {
  client.destroy();
  await proxy.close();
});

/** Repeats a call whose answer was lost until there is one. */
async function untilAnswered<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

it.each(Array.from({ length: 2 }, (_, index) => testSeed() + index * 7_919))('seed %i', async (seed) => {
  const random = createRandom(seed);
  const clock = { now: Date.UTC(2026, 5, 1, 12, 34, 56) };
  const now = () => clock.now;
  const prefix = freshPrefix('generated');
  const throughProxy = `redis://127.0.0.1:${proxy.port}`;
  const writers = [
    await createRedisMetricsStore({ url: throughProxy, prefix, now }),
    await createRedisMetricsStore({ url: throughProxy, prefix, now }),
  ];
  const reader = await createRedisMetricsStore({ url, prefix, now });
  const model = createMemoryMetricsStore({ now });
  const happened: Happened[] = [];
  /** Commits of each partition, as the event store has them. */
  const committed = new Map(partitions.map((partition) => [partition, 0]));
  const mark = (partition: number, commits: number) => {
    return { logNo: 1, nextOffset: commits * 10, commitToken: `${partition}/${commits}` };
  };

  function commit(partition: number): MetricsUpdate {
    const batch = happenings(random, now()).map((one) => ({ ...one, partition }));
    happened.push(...batch);
    const commits = committed.get(partition)! + 1;
    committed.set(partition, commits);
    return {
      partition,
      previousToken: mark(partition, commits - 1).commitToken,
      watermark: mark(partition, commits),
      delta: deltaOf(batch),
      recent: [],
    };
  }

  async function rebuild(store: MetricsStore, partition: number): Promise<void> {
    const snapshot = {
      ...snapshotOf(happened, partition, 0, now()),
      watermark: mark(partition, committed.get(partition)!),
    };
    const attempt = async (into: MetricsStore) => into.rebuild(snapshot, await into.watermark(partition));
    while (!(await untilAnswered(() => attempt(store)))) {
      // Its answer was lost, or the other process rebuilt at the same moment.
    }
    expect(await attempt(model)).toBe(true);
  }

  /** The update through one process, its connection perhaps cut under it, and into the model. */
  async function carry(store: MetricsStore, update: MetricsUpdate): Promise<void> {
    const isCut = random.below(4) === 0;
    const applying = untilAnswered(() => store.apply(update));
    if (isCut) {
      for (let turns = random.below(12); turns > 0; turns -= 1) await new Promise((resolve) => setImmediate(resolve));
      proxy.cut();
    }
    const result = await applying;
    const expected = await model.apply(update);
    // Its answer was lost, and it had landed.
    const alike: ApplyResult[] = isCut && expected === 'applied' ? ['applied', 'already_applied'] : [expected];
    expect(alike).toContain(result);
    if (result === 'diverged') await rebuild(store, update.partition);
  }

  for (let round = 0; round < 40; round += 1) {
    clock.now += random.pick([10, 3_000, 25_000, 7 * minuteMs, 3 * hourMs]);
    const store = random.pick(writers);
    const partition = random.pick(partitions);
    const update = commit(partition);
    const told = `seed ${seed}, round ${round}`;
    switch (random.below(10)) {
      case 0:
        // A crash between the event store and Redis: the next one finds it out.
        break;
      case 1:
        await carry(store, update);
        expect(await untilAnswered(() => store.apply(update)), told).toBe('already_applied');
        break;
      case 2:
        await Promise.all([rebuild(store, partition), untilAnswered(() => random.pick(writers).apply(update))]);
        break;
      case 3:
        await carry(store, update);
        await client.send('SCRIPT', 'FLUSH');
        break;
      case 4: {
        const elsewhere = mark(partition, 1_000);
        const snapshot = snapshotOf(happened, partition, 0, now());
        expect(await untilAnswered(() => store.rebuild(snapshot, elsewhere)), told).toBe(false);
        await carry(store, update);
        break;
      }
      default:
        await carry(store, update);
    }
    if (random.below(12) === 0) {
      await client.send('DEL', `{${prefix}:${partition}}:head`);
      expect(await untilAnswered(() => store.apply(commit(partition))), told).toBe('diverged');
      await rebuild(store, partition);
    }
    const cold = await createRedisMetricsStore({ url, prefix, now });
    for (const window of windows) {
      const expected = await model.read(window, now());
      expect(await reader.read(window, now()), `${told}, ${window}, reader`).toEqual(expected);
      expect(await untilAnswered(() => store.read(window, now())), `${told}, ${window}, writer`).toEqual(expected);
      expect(await cold.read(window, now()), `${told}, ${window}, cold`).toEqual(expected);
    }
    await cold.close();
  }
  await Promise.all([...writers, reader].map((store) => store.close()));
});
