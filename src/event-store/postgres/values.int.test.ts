import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RejectedByStoreError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { commitBatch as commitUntilKnown } from '../../processing/commit-batch.ts';
import { decideBatch } from '../../processing/decide-batch.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import {
  batchOf,
  claimOf,
  commitBatch,
  eventOf,
  eventsOf,
  progressOf,
  startAt,
} from '../../testing/event-store.batches.ts';
import { expectClean, expectSameJson } from '../../testing/event-store.contract.harness.ts';
import { makePostgresHarness, type PostgresStoreHarness, useDatabase } from '../../testing/postgres-store.ts';
import { createRandom, testSeed } from '../../testing/random.ts';
import type { EventQuery, EventStore } from '../event-store.ts';

const url = useDatabase();
let harness: PostgresStoreHarness;
beforeEach(async () => {
  harness = await makePostgresHarness(url());
});
afterEach(() => harness.dispose());

describe('values', () => {
  it('come back as they were, at their edges', async () => {
    const store = await harness.open();
    const payloads = [
      '{}',
      '{"a":{"a":{"a":[[[]]]}},"":"","b":null,"c":[true,false]}',
      '{"n":[0,1e308,-1e308,1e-400,123456789012345678901234567890.000100,1E5,1.0]}',
      `{"t":${JSON.stringify('\u0001\t\n\r\\"\'\u007f\u0080\ud83e\uddc0\u{10ffff}\ufeff\ufffd')}}`,
      `{"__proto__":{"x":1},"constructor":2,"large":"${'ü'.repeat(60_000)}"}`,
    ];
    const texts = [null, 'x', '\\N', '\t\n\\.', 'é'.repeat(256), '\u{1f9c0}'.repeat(100), '{"a,b"}'];
    const events = eventsOf(payloads.length * texts.length, (n) => ({
      payloadJson: payloads[n % payloads.length]!,
      source: texts[n % texts.length]!,
      key: texts[(n + 1) % texts.length]!,
      clientId: texts[(n + 2) % texts.length]!,
      eventType: texts[(n + 3) % texts.length] ?? 'type',
      occurredAt: n % 2 === 0 ? null : '2026-01-15T12:00:00.000000000001+05:45',
      redriveOf: n % 3 === 0 ? 'store:1:0:7' : null,
      receivedAt: [startAt, 0, -1, -8_000_000_000_000, 8_640_000_000_000_000][n % 5]!,
    }));
    const { request } = await commitBatch(store, await store.claim(claimOf(3, 9_000_000_000_000)), events);
    for (const { event, offset, contentHash } of request.candidates) {
      const stored = (await store.event(event.id))!;
      expectSameJson(stored.payloadJson, event.payloadJson);
      const { payloadJson } = stored;
      expect(stored).toMatchObject({ ...event, payloadJson, position: { logNo: 1, partition: 3, offset } });
      expect(stored.contentHash).toBe(contentHash);
    }
    await expectClean(store);
  });

  it('are copied right, whatever their lengths', async () => {
    const seed = testSeed();
    const random = createRandom(seed);
    const store = await harness.open();
    const textOf = (charactersMax: number) =>
      Array.from({ length: 1 + random.below(charactersMax) }, () => random.pick(['a', 'é', '☃', '🧀', ' '])).join('');
    const events = eventsOf(1_000, () => ({
      eventType: textOf(60),
      source: random.next() < 0.3 ? null : textOf(200),
      key: random.next() < 0.3 ? null : textOf(50),
      payloadJson: JSON.stringify({ t: textOf(random.next() < 0.05 ? 20_000 : 300) }),
    }));
    await commitBatch(store, await store.claim(claimOf()), events);
    const stored = new Map<string, unknown>();
    let cursor: string | undefined;
    do {
      const page = await store.events({ limit: 1_000, cursor });
      for (const { id, eventType, source, key, payloadJson } of page.items) {
        stored.set(id, { eventType, source, key, payload: JSON.parse(payloadJson) });
      }
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    for (const { id, eventType, source, key, payloadJson } of events) {
      expect(stored.get(id), `seed ${seed}`).toEqual({ eventType, source, key, payload: JSON.parse(payloadJson) });
    }
  });

  const refused: readonly (readonly [what: string, event: Partial<ReturnType<typeof eventOf>>])[] = [
    ['a number with more digits than there is room for', { payloadJson: '{"n":1e-20000}' }],
    ['a character that no text can hold', { payloadJson: '{"t":"\\u0000"}' }],
    ['half of a character', { payloadJson: '{"t":"\\ud800"}' }],
    ['no JSON', { payloadJson: '{"t":' }],
    ['the same in another column', { source: 'a\0b' }],
    ['a time that is no whole number', { receivedAt: 1.5 }],
    ['an id that is none', { id: 'x'.repeat(36) }],
  ];

  it.each(refused)('are refused, and the record is named: %s', async (_what, overrides) => {
    const store = await harness.open();
    const progress = await store.claim(claimOf(0, 100));
    // In order of ids it stands somewhere else than in order of offsets.
    const events = [...eventsOf(30), eventOf(overrides), ...eventsOf(30)];
    const commit = store.commit(batchOf(progress, events), decideBatch);
    await expect(commit).rejects.toBeInstanceOf(RejectedByStoreError);
    if ('payloadJson' in overrides || 'source' in overrides)
      await expect(commit).rejects.toMatchObject({ offset: 130 });
    expect(await progressOf(store)).toEqual(progress);
    await commitBatch(store, progress, eventsOf(3));
    await expectClean(store);
  });

  it('are taken out of their batch, which then lands at the next try', async () => {
    const store = await harness.open();
    const progress = await store.claim(claimOf(0, 100));
    const events = [...eventsOf(30), eventOf({ payloadJson: '{"n":1e-20000}' }), ...eventsOf(30)];
    let tries = 0;
    const options = {
      store: {
        probe: store.probe,
        commit: (...args: Parameters<typeof store.commit>) => {
          tries += 1;
          return store.commit(...args);
        },
      },
      telemetry: createTelemetry(),
      freshToken: randomUUID,
      random: Math.random,
      pause: () => Promise.reject(new Error('nothing is to be waited for')),
      onCommitted: () => undefined,
    };
    await commitUntilKnown(options, batchOf(progress, events), new AbortController().signal);
    expect(tries).toBe(2);
    expect((await progressOf(store)).outcomes).toMatchObject({ stored: 60, failed: 1 });
    const { items } = await store.inboxEntries({ limit: 10 });
    expect(items).toMatchObject([{ position: { offset: 130 }, code: 'rejected_by_store' }]);
    await expectClean(store);
  });

  it('of many conflicts that are large once they are text make the batch too large, not the process', async () => {
    const store = await harness.open();
    // Each is 100 KB as it was sent and 6 MB as it is read.
    const payloadJson = (first: number) => `{"n":[${first}${',1e308'.repeat(20_000)}]}`;
    const events = eventsOf(14, () => ({ payloadJson: payloadJson(1) }));
    const { progress } = await commitBatch(store, await store.claim(claimOf()), events);
    const changed = events.map((event) => ({ ...event, payloadJson: payloadJson(2) }));
    await expect(store.commit(batchOf(progress, changed), decideBatch)).rejects.toBeInstanceOf(RejectedByStoreError);
    const { progress: after } = await commitBatch(store, progress, changed.slice(0, 7));
    expect(after.outcomes).toMatchObject({ stored: 14, failed: 7 });

    const { items, nextCursor } = await store.events({ limit: 10 });
    expect(items).toHaveLength(1);
    expect(items[0]!.payloadJson.length).toBeLessThan(limits.pageBytesMax);
    expect((await store.events({ limit: 10, cursor: nextCursor! })).items).toHaveLength(1);
  });
});

describe('lists', () => {
  /** Six partitions, two logs, few times: the order is decided by what stands behind the time. */
  async function fill(store: EventStore, random: ReturnType<typeof createRandom>): Promise<void> {
    for (const logId of ['log-a', 'log-b']) {
      if (logId === 'log-b') await store.adoptLog(logId, 1);
      for (const partition of [0, 1, 2, 3, 4, 17]) {
        const events = eventsOf(random.below(60), () => ({
          receivedAt: startAt + random.below(4),
          eventType: random.pick(['a', 'b']),
          source: random.pick([null, 'x', 'y']),
        }));
        await commitBatch(store, await store.claim(claimOf(partition, 0, logId)), events);
      }
    }
  }

  it('have every event once, in one order, however they are paged and filtered', async () => {
    const seed = testSeed();
    const random = createRandom(seed);
    const store = await harness.open();
    await fill(store, random);
    const filters: readonly (readonly [Omit<EventQuery, 'limit'>, sql: string])[] = [
      [{}, 'true'],
      [{ eventType: 'a' }, `event_type = 'a'`],
      [{ source: 'x' }, `source = 'x'`],
      [{ eventType: 'b', source: 'y' }, `event_type = 'b' AND source = 'y'`],
      [{ from: startAt + 1, to: startAt + 3 }, `received_at BETWEEN ${startAt + 1} AND ${startAt + 2}`],
      [{ eventType: 'a', to: startAt + 2 }, `event_type = 'a' AND received_at < ${startAt + 2}`],
      [{ source: 'y', from: startAt + 2 }, `source = 'y' AND received_at >= ${startAt + 2}`],
    ];
    for (const [filter, sql] of filters) {
      const expected = await harness.query(
        `SELECT id FROM events WHERE ${sql}
         ORDER BY received_at DESC, partition DESC, log_offset DESC, log_no DESC`,
      );
      for (const limit of [1_000, 1 + random.below(9)]) {
        const ids: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.events({ ...filter, limit, cursor });
          expect(page.items.length).toBeLessThanOrEqual(limit);
          ids.push(...page.items.map(({ id }) => id));
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
        const what = `seed ${seed}, ${JSON.stringify(filter)}, pages of ${limit}`;
        expect(ids, what).toEqual(expected.map(({ id }) => id));
      }
    }
  });

  it.each([
    ['before the server has any statistics', null],
    ['by statistics of a table that was empty', 'VACUUM (TRUNCATE off) events'],
  ])('are led by indexes, %s', async (_when, statistics) => {
    const store = await harness.open();
    const events = eventsOf(20_000, (n) => ({ receivedAt: startAt + n, eventType: `t${n % 7}`, payloadJson: '{}' }));
    if (statistics !== null) {
      await commitBatch(store, await store.claim(claimOf(1)), events);
      await harness.execute('DELETE FROM events');
      await harness.execute(statistics);
    }
    await commitBatch(store, await store.claim(claimOf()), events);
    await harness.execute('SELECT pg_stat_reset()');
    const rowsRead = async () => {
      const [row] = await harness.query(
        `SELECT (seq_tup_read + idx_tup_fetch)::integer AS n FROM pg_stat_user_tables WHERE relname = 'events'`,
      );
      return Number(row!.n);
    };
    await store.events({ limit: 50 });
    await store.events({ limit: 50, eventType: 't3' });
    await store.events({ limit: 50, to: startAt + 10_000 });
    await store.close();
    // 51 keys and 50 rows each, and what a page of the index has beside them.
    expect(await rowsRead()).toBeLessThan(1_000);
  });
});

describe('durable progress', () => {
  it('is on disk also where commits do not wait for it', async () => {
    const name = new URL(url()).pathname.slice(1);
    await harness.execute(`ALTER DATABASE ${name} SET synchronous_commit = off`);
    try {
      const store = await harness.open();
      await commitBatch(
        store,
        await store.claim(claimOf()),
        eventsOf(500, (n) => ({ receivedAt: startAt + n })),
      );
      const [written] = await harness.query('SELECT pg_current_wal_insert_lsn()::text AS lsn');
      const [progress] = await store.durableProgress('store');
      expect(progress!.nextOffset).toBe(500);
      const flushed = await harness.query(`SELECT pg_current_wal_flush_lsn() >= '${written!.lsn}'::pg_lsn AS all`);
      expect(flushed).toEqual([{ all: true }]);
    } finally {
      await harness.execute(`ALTER DATABASE ${name} RESET synchronous_commit`);
    }
  });
});

describe('duplicates', () => {
  it('of one event are kept as far as they are shown', async () => {
    const store = await harness.open();
    const event = eventOf();
    const { progress } = await commitBatch(
      store,
      await store.claim(claimOf()),
      Array.from({ length: 300 }, () => event),
    );
    await commitBatch(
      store,
      progress,
      Array.from({ length: 300 }, () => event),
    );
    const [count] = await harness.query('SELECT count(*)::integer AS n FROM duplicates');
    expect(count).toEqual({ n: limits.duplicatesKeptPerEvent });
  });
});
