import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../../../domain/failure.ts';
import { readBatches } from '../wire/decode-batch.ts';
import { encodeBatch } from '../wire/encode-batch.ts';
import type { Fetched } from '../wire/fetched.ts';
import { unreadRecords } from '../wire/unread-records.ts';
import { createFeed, type Feed } from './feed.ts';

const never = new AbortController().signal;
const noFetch: Fetched = { records: [], nextOffset: 0, end: 0, release: () => undefined };
const plentiful = { recordsMax: 1_000, bytesMax: 1_000_000 };

function fill(feed: Feed, count: number, bytesEach = 10): Fetched {
  const from = feed.position();
  const bytes = encodeBatch(
    Array.from({ length: count }, () => ({ value: Buffer.alloc(bytesEach) })),
    0,
  );
  bytes.writeBigInt64BE(BigInt(from), 0);
  const records = [...readBatches(bytes)].map((batch) => unreadRecords(batch, 0, from));
  const fetched = { ...noFetch, records, nextOffset: from + count, end: from + count };
  feed.add(fetched);
  return fetched;
}

describe('a feed', () => {
  it('gives each record once, in order, within the limits', () => {
    const feed = createFeed(0, 100, 1_000_000);
    const offsets: number[] = [];
    for (let round = 1; round <= 20; round += 1) {
      fill(feed, 7 * round, round);
      const limits = { recordsMax: 1 + ((round * 13) % 40), bytesMax: 40 + round };
      while (!feed.isEmpty() && offsets.length % 3 < 2) {
        const { records } = feed.take(limits);
        expect(records.length).toBeLessThanOrEqual(limits.recordsMax);
        const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
        if (records.length > 1) expect(bytes).toBeLessThanOrEqual(limits.bytesMax);
        offsets.push(...records.map(({ offset }) => offset));
      }
    }
    while (!feed.isEmpty()) offsets.push(...feed.take(plentiful).records.map(({ offset }) => offset));
    const total = 7 * (20 * 21) * 0.5;
    expect(offsets).toEqual(Array.from({ length: total }, (_, nth) => 100 + nth));
    expect(feed.position()).toBe(100 + total);
  });

  it('has room until its bytes are used up, and again when they are taken', () => {
    const feed = createFeed(0, 0, 10_000);
    expect(feed.hasRoom()).toBe(true);
    fill(feed, 1, 20_000);
    expect(feed.hasRoom()).toBe(false);
    expect(feed.take(plentiful).records).toHaveLength(1);
    expect(feed.hasRoom()).toBe(true);
    // Small records take memory too: their lengths, times and offsets.
    fill(feed, 1_300, 1);
    expect(feed.hasRoom()).toBe(false);
  });

  it('tells which fetches have nothing left, once each', () => {
    const feed = createFeed(0, 0, 1_000_000);
    const [first, second] = [fill(feed, 3), fill(feed, 2)];
    feed.add({ ...noFetch, nextOffset: 5 });
    const third = fill(feed, 1);
    const emptiedBy = (recordsMax: number) => feed.take({ ...plentiful, recordsMax }).emptied;
    expect(emptiedBy(2)).toEqual([]);
    expect(emptiedBy(2)).toEqual([first]);
    expect(emptiedBy(1)).toEqual([second]);
    expect(emptiedBy(1)).toEqual([third]);
  });

  it('wakes who waits when records come, and lets time and signals end the wait', async () => {
    const feed = createFeed(0, 0, 10_000);
    const some = () => !feed.isEmpty();
    const met = feed.until(some, 60_000, never);
    fill(feed, 1);
    expect(await met).toBe(true);
    expect(await feed.until(some, 60_000, never)).toBe(true);
    feed.take(plentiful);
    expect(await feed.until(some, 1, never)).toBe(false);
    const aborting = new AbortController();
    const aborted = feed.until(some, 60_000, aborting.signal);
    const reason = new Error('enough');
    aborting.abort(reason);
    await expect(aborted).rejects.toBe(reason);
  });

  it('wakes who waits when nothing can come any more', async () => {
    const feed = createFeed(0, 0, 10_000);
    const failed = feed.until(() => feed.failure() !== null, 60_000, never);
    const first = new UnavailableError('log_replaced', 'first');
    feed.fail(first);
    feed.fail(new UnavailableError('log_missing', 'second'));
    expect(await failed).toBe(true);
    expect(feed.failure()).toBe(first);
  });

  it('knows the end as the last fetch told it, and goes on where the log begins', () => {
    const feed = createFeed(0, 5, 10_000);
    expect(feed.end()).toBe(5);
    feed.add({ ...noFetch, nextOffset: 5, end: 9 });
    expect([feed.position(), feed.end()]).toEqual([5, 9]);
    // Everything up to the end were control records.
    feed.add({ ...noFetch, nextOffset: 9, end: 9 });
    expect([feed.position(), feed.end()]).toEqual([9, 9]);
    feed.skipTo(20, 25);
    expect([feed.position(), feed.end()]).toEqual([20, 25]);
  });
});
