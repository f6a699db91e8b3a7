import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { metricsSteps } from '../../domain/metrics-steps.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import { eventOf } from '../../testing/event-store.batches.ts';
import { columnsOf } from '../../testing/metrics-columns.ts';
import { createMetricsFeeding } from '../../testing/metrics-feeding.ts';
import { createTestClient, type TestClient } from '../../testing/redis-client.ts';
import { freshPrefix, sharedRedisUrl } from '../../testing/stack/shared.ts';
import { createTypeNumbers } from '../metrics-grid.ts';
import type { MetricsChange, MetricsSnapshot, MetricsStore, RecentEvent } from '../metrics-store.ts';
import { parseRedisUrl } from './address.ts';
import { createKeys } from './keys.ts';
import { createSingleLink, type RedisLink } from './link.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';
import { rebuildPartition } from './rebuild.ts';

const now = Date.now;
let url: string;
let prefix: string;
let client: TestClient;
let store: MetricsStore;
let feeding: ReturnType<typeof createMetricsFeeding>;

async function openStore(at = url): Promise<MetricsStore> {
  const opened = await createRedisMetricsStore({ url: at, prefix, now });
  onTestFinished(() => opened.close());
  return opened;
}

beforeEach(async () => {
  url = await sharedRedisUrl();
  prefix = freshPrefix('storage');
  client = await createTestClient(url);
  onTestFinished(() => client.destroy());
  store = await openStore();
  feeding = createMetricsFeeding(store, [0], now);
  for (let batch = 0; batch < 5; batch += 1) feeding.push(0);
  await feeding.untilExact();
});

const keysOf = async () => (await client.send<string[]>('KEYS', `*${prefix}*`)).sort();
const lifeOf = (key: string) => client.send<number>('PTTL', key);
const headText = () => client.send<string>('GET', `{${prefix}:0}:head`);
const headOf = async () => (await headText()).split(' ');

/** A snapshot in which something happened in every step that windows reach. */
function denseSnapshot(types: number, commits: number): MetricsSnapshot {
  const { fineMs, minuteMs, hourMs } = rollupSteps;
  const names = Array.from({ length: types }, (_, index) => `com.example.type-${index}`);
  const counted = names.map((eventType, index) => ({ eventType, stored: 1 + (index % 300), duplicate: 0, failed: 0 }));
  const starts = [
    [fineMs, 0, 20 * minuteMs],
    [minuteMs, 20 * minuteMs, 25 * hourMs],
    [hourMs, 25 * hourMs, 192 * hourMs],
  ].flatMap(([stepMs, fromMs, reachMs]) =>
    Array.from({ length: (reachMs! - fromMs!) / stepMs! }, (_, index) => {
      return { stepMs: stepMs!, at: stepStart(now() - fromMs!, stepMs!) - index * stepMs! };
    }),
  );
  const histogram = Array.from({ length: 60 }, (_, index) => [150 + index * 2, 1 + index] as const);
  return {
    partition: 0,
    watermark: feeding.mark(0, commits),
    totals: counted.map((row) => ({ ...row, stored: row.stored * 1_000_000 })),
    ...columnsOf(starts.flatMap((start) => counted.map((row) => ({ ...row, ...start })))),
    latencies: starts.map((start) => ({ ...start, histogram, clockSkewed: 0 })),
  };
}

describe('what is kept', () => {
  it('is a bounded number of keys, of which every step expires', async () => {
    expect(await store.rebuild(denseSnapshot(12, 7), feeding.mark(0))).toBe(true);
    const [generation] = await headOf();
    const keys = await keysOf();
    // The head, the numbers of partitions, and of the generation its steps, their names, types and totals.
    expect(keys.length).toBeGreaterThan(500);
    expect(keys.length).toBeLessThanOrEqual(538 + 5 + 6);
    const longest = Math.max(...metricsSteps.map(({ stepMs, keptMs }) => stepMs + keptMs));
    for (const key of keys.filter((name) => /:\d+:\d+$/.test(name) && name.includes(`}:${generation}:`))) {
      const lives = await lifeOf(key);
      // -1 would be for ever; -2 is of a step that has gone since it was listed.
      expect(lives).not.toBe(-1);
      expect(lives).toBeLessThanOrEqual(longest);
    }
    const lasting = [`{${prefix}:0}:${generation}:types`, `{${prefix}:0}:${generation}:totals`, `{${prefix}:0}:head`];
    for (const key of lasting) expect(await lifeOf(key)).toBe(-1);
  });

  it('costs less than 2 KiB a day and type in every partition', async () => {
    const used = async () => {
      const keys = await keysOf();
      let bytes = 0;
      for (const key of keys) bytes += await client.send<number>('MEMORY', 'USAGE', key);
      return bytes;
    };
    expect(await store.rebuild(denseSnapshot(12, 7), feeding.mark(0))).toBe(true);
    const few = await used();
    expect(await store.rebuild(denseSnapshot(200, 8), feeding.mark(0, 7))).toBe(true);
    expect((await used()) - few).toBeLessThan(188 * 2_048);
    expect(few).toBeLessThan(512 * 1_024);
  });

  it('of an old generation is removed, and of one that is not done expires soon', async () => {
    const before = (await keysOf()).length;
    const [generation] = await headOf();
    expect(await store.rebuild(feeding.snapshot(0), feeding.mark(0))).toBe(true);
    const keys = await keysOf();
    expect(keys.filter((key) => key.includes(generation!))).toEqual([]);
    expect(keys.length).toBeLessThanOrEqual(before);

    // Dies half way.
    const link = createSingleLink(parseRedisUrl(url));
    onTestFinished(() => link.close());
    let sent = 0;
    const dying: Pick<RedisLink, 'send'> = {
      async send(...args) {
        sent += 1;
        if (sent > 200) throw new UnavailableError('metrics_unavailable', 'gone');
        return link.send(...args);
      },
    };
    const parts = { link: dying, keys: createKeys(prefix), types: createTypeNumbers(), now };
    await expect(rebuildPartition(parts, denseSnapshot(12, 9), await headText())).rejects.toThrow('gone');
    const leftOver = async () => (await keysOf()).filter((key) => !keys.includes(key));
    await expect.poll(async () => (await leftOver()).length, { timeout: 10_000 }).toBeGreaterThan(150);
    const left = await leftOver();
    for (const key of left) {
      const lives = await lifeOf(key);
      expect(lives).toBeGreaterThan(0);
      expect(lives).toBeLessThanOrEqual(limits.metricsRebuildMs);
    }
    expect((await store.read('15m', now())).allTime).toEqual(feeding.plain());
  });

  it('of a rebuild that loses the race is removed at once', async () => {
    const keys = await keysOf();
    const other = await openStore();
    const both = [store, other].map((each) => each.rebuild(feeding.snapshot(0), feeding.mark(0)));
    expect((await Promise.all(both)).toSorted()).toEqual([false, true]);
    expect((await keysOf()).length).toBeLessThanOrEqual(keys.length);
  });
});

describe('readers', () => {
  it('see the one state or the other while a partition is rebuilt and updated, never something between', async () => {
    const reader = await openStore();
    const totals = new Set([feeding.plain().total]);
    const done = new AbortController();
    const seen: number[] = [];
    const reading = (async () => {
      while (!done.signal.aborted) {
        const { allTime, total, byType, series } = await reader.read('15m', now());
        expect(byType.reduce((sum, { count }) => sum + count, 0)).toBe(total);
        expect(series.reduce((sum, { count }) => sum + count, 0)).toBe(total);
        seen.push(allTime.total);
      }
    })();
    for (let round = 0; round < 15; round += 1) {
      const update = feeding.commit(0);
      totals.add(feeding.plain().total);
      expect(await store.apply(update)).toBe('applied');
      expect(await store.rebuild(feeding.snapshot(0), feeding.mark(0))).toBe(true);
    }
    await expect.poll(() => seen.at(-1), { timeout: 10_000 }).toBe(feeding.plain().total);
    done.abort();
    await reading;
    expect([...new Set(seen)].filter((total) => !totals.has(total))).toEqual([]);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it('catch up by what they lack, also when that is more than is kept', async () => {
    const reader = await openStore();
    expect((await reader.read('15m', now())).allTime).toEqual(feeding.plain());
    for (let batch = 0; batch < 30; batch += 1) feeding.push(0);
    await feeding.feed.settle();
    expect(await client.send('LLEN', `{${prefix}:0}:${(await headOf())[0]}:journal`)).toBe(30);
    expect((await reader.read('15m', now())).allTime).toEqual(feeding.plain());

    for (let batch = 0; batch < limits.metricsJournalEntriesMax + 10; batch += 1) {
      expect(await store.apply(feeding.commit(0, 1))).toBe('applied');
    }
    const [generation, sequence, journalBytes] = await headOf();
    expect(Number(sequence)).toBeGreaterThan(limits.metricsJournalEntriesMax);
    const journal = await client.send<string[]>('LRANGE', `{${prefix}:0}:${generation}:journal`, '0', '-1');
    expect(journal.length).toBe(limits.metricsJournalEntriesMax);
    expect(Number(journalBytes)).toBe(journal.reduce((sum, entry) => sum + Buffer.byteLength(entry), 0));
    expect((await reader.read('15m', now())).allTime).toEqual(feeding.plain());
  });

  it('find a partition that is missing in the list of them, once it is checked', async () => {
    await client.send('DEL', `${prefix}:partitions`);
    const reader = await openStore();
    expect((await reader.read('15m', now())).allTime.total).toBe(0);
    await feeding.untilExact(reader);
  });
});

describe('a value that Redis has evicted', () => {
  it.each([
    ['a step', /:10:\d+$/],
    ['the totals', /:totals$/],
    ['the types', /:types$/],
    ['the list of steps', /:steps$/],
  ])('is noticed by who has written it: %s', async (_, pattern) => {
    const key = (await keysOf()).find((name) => pattern.test(name))!;
    await client.send('UNLINK', key);
    feeding.rebuilt.length = 0;
    feeding.feed.check(0);
    await feeding.feed.settle();
    expect(feeding.rebuilt).toMatchObject([{ partition: 0, reason: 'watermark' }]);
    const reader = await openStore();
    expect((await reader.read('15m', now())).total).toBe(feeding.plain().total);
  });

  it('is none where a step has had its time, or another process has rebuilt the partition', async () => {
    const other = await openStore();
    expect(await other.rebuild(feeding.snapshot(0), feeding.mark(0))).toBe(true);
    feeding.rebuilt.length = 0;
    feeding.feed.check(0);
    await feeding.feed.settle();
    expect(feeding.rebuilt).toEqual([]);
  });
});

describe('two processes that write', () => {
  it('go on from each other, new types included', async () => {
    const other = await openStore();
    for (let turn = 0; turn < 6; turn += 1) {
      const writer = turn % 2 === 0 ? other : store;
      const update = feeding.commit(0, 2 + turn);
      const counts = update.delta.counts.map((row, index) => ({ ...row, eventType: `turn ${turn} ${9 - index}` }));
      expect(await writer.apply({ ...update, delta: { ...update.delta, counts } })).toBe('applied');
    }
    const [reader, cold] = [await store.read('15m', now()), await (await openStore()).read('15m', now())];
    expect(cold.allTime).toEqual(reader.allTime);
    expect(cold.byType).toEqual(reader.byType);
    expect(cold.byType.some(({ eventType }) => eventType === 'turn 5 5')).toBe(true);
    expect(cold.allTime.total).toBe(feeding.plain().total);
  });
});

describe('a process that was left behind', () => {
  it('can not apply upon what another has moved on from', async () => {
    const other = await openStore();
    const last = feeding.mark(0);
    expect(await store.watermark(0)).toEqual(last);
    expect(await other.apply(feeding.commit(0))).toBe('applied');
    const late = { ...feeding.commit(0), previousToken: last.commitToken };
    expect(await store.apply({ ...late, watermark: { ...late.watermark, commitToken: 'late' } })).toBe('diverged');
    expect(await store.watermark(0)).toEqual(feeding.mark(0, last.nextOffset / 10 + 1));
    await feeding.untilExact(await openStore());
  });

  it('goes on where another has rebuilt, and not in what it rebuilt from', async () => {
    const other = await openStore();
    expect(await other.rebuild(feeding.snapshot(0), feeding.mark(0))).toBe(true);
    expect(await store.apply(feeding.commit(0))).toBe('applied');
    for (const reader of [store, other, await openStore()]) {
      expect((await reader.read('15m', now())).allTime).toEqual(feeding.plain());
    }
  });
});

describe('what somebody has laid a hand on', () => {
  it('a counter: a reader that starts sees it, and a rebuild mends it', async () => {
    const [generation] = await headOf();
    await client.send('SET', `{${prefix}:0}:${generation}:totals`, '\u0007');
    const reader = await openStore();
    expect((await reader.read('15m', now())).allTime.total).toBe(7);
    expect(await store.rebuild(feeding.snapshot(0), feeding.mark(0))).toBe(true);
    expect((await reader.read('15m', now())).allTime).toEqual(feeding.plain());
  });

  it.each(['journal', 'types', 'steps'])('%s of another kind: the partition is rebuilt, and exact', async (what) => {
    const [generation] = await headOf();
    const key = `{${prefix}:0}:${generation}:${what}`;
    await client.send('DEL', key);
    await client.send('SET', key, 'x');
    await expect(
      store.apply({
        ...feeding.commit(0),
        delta: {
          counts: [{ at: now() + 5_400_000, eventType: 'new', stored: 1, duplicate: 0, failed: 0 }],
          latencies: [],
        },
      }),
    ).rejects.toThrow(/could not count partition 0: WRONGTYPE/);
    expect(await store.watermark(0)).toBeNull();
    feeding.push(0);
    await feeding.untilExact(await openStore());
  });

  it('the head: what no version of this program wrote is nothing to build upon', async () => {
    await client.send('SET', `{${prefix}:0}:head`, 'hello');
    expect(await store.watermark(0)).toBeNull();
    expect((await store.read('15m', now())).allTime.total).toBe(0);
    expect(await store.apply(feeding.commit(0))).toBe('diverged');
    await feeding.untilExact();
  });
});

describe('recent events', () => {
  const recentOf = (characters: number, age: number): RecentEvent => {
    const { redriveOf, ...event } = eventOf({ receivedAt: now() - age });
    const payloadJson = JSON.stringify({ text: 'x'.repeat(characters) });
    return { ...event, payloadJson, position: { logNo: 1, partition: 0, offset: age }, storedAt: now() };
  };

  it('are kept and sent as many bytes as may be, the newest first', async () => {
    const changes: MetricsChange[] = [];
    store.subscribe((change) => change.recent.length > 0 && changes.push(change));
    for (let batch = 0; batch < 30; batch += 1) {
      const recent = Array.from({ length: 20 }, (_, index) => recentOf(20_000, 1_000 - batch * 20 - index));
      expect(await store.apply({ ...feeding.commit(0), recent })).toBe('applied');
    }
    const kept = await client.send<string[]>('ZRANGE', `{${prefix}:0}:recent`, '0', '-1');
    const bytes = kept.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(bytes).toBeLessThanOrEqual(limits.metricsRecentBytesMax);
    expect(bytes).toBeGreaterThan(limits.metricsRecentBytesMax / 2);
    expect(Number((await headOf())[3])).toBe(bytes);
    const shown = await store.recent(10);
    expect(shown).toHaveLength(10);
    expect(shown.map(({ receivedAt }) => receivedAt)).toEqual(
      shown.map(({ receivedAt }) => receivedAt).toSorted((a, b) => b - a),
    );
    await expect.poll(() => changes.length, { timeout: 10_000 }).toBe(30);
    for (const { recent } of changes) expect(recent).toHaveLength(3);
  });

  it('are shown one at a time where they are as large as may be', async () => {
    const changes: MetricsChange[] = [];
    store.subscribe((change) => change.recent.length > 0 && changes.push(change));
    const recent = [recentOf(limits.eventBytesMax, 2), recentOf(limits.eventBytesMax, 1)];
    expect(await store.apply({ ...feeding.commit(0), recent })).toBe('applied');
    await expect.poll(() => changes, { timeout: 10_000 }).toHaveLength(1);
    expect(changes[0]!.recent).toEqual([recent[1]]);
    expect(await store.recent(5)).toEqual([recent[1]]);
  });

  it('come also after somebody else has published on the channel', async () => {
    const changes: MetricsChange[] = [];
    store.subscribe((change) => change.recent.length > 0 && changes.push(change));
    await store.watermark(0);
    const recent = [recentOf(10, 2)];
    expect(await store.apply(feeding.commit(0))).toBe('applied');
    await client.send('PUBLISH', `${prefix}:changes`, 'hello');
    expect(await store.apply({ ...feeding.commit(0), recent })).toBe('applied');
    await expect.poll(() => changes, { timeout: 10_000 }).toHaveLength(1);
  });

  it('outlive a rebuild', async () => {
    const recent = [recentOf(10, 2)];
    expect(await store.apply({ ...feeding.commit(0), recent })).toBe('applied');
    expect(await store.rebuild(feeding.snapshot(0), feeding.mark(0))).toBe(true);
    expect(await store.recent(5)).toEqual(recent);
  });
});

it('a reader whose clock was ahead for a while reads again what it had forgotten', async () => {
  const clock = { aheadMs: 0 };
  const reader = await createRedisMetricsStore({ url, prefix, now: () => now() + clock.aheadMs });
  onTestFinished(() => reader.close());
  const totalOf = async () => (await reader.read('7d', now() + clock.aheadMs)).total;
  const before = await totalOf();
  expect(before).toBeGreaterThan(0);
  clock.aheadMs = 30 * 24 * 3_600_000;
  expect(await totalOf()).toBe(0);
  clock.aheadMs = 0;
  expect(await totalOf()).toBe(before);
});
