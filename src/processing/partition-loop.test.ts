import { describe, expect, it } from 'vitest';
import { RejectedByStoreError, UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { claimOf, eventOf, startAt } from '../testing/event-store.batches.ts';
import { loopHarness, type ScriptedBatch } from '../testing/partition-loop-harness.ts';
import { hashRecord } from './build-batch.ts';

const value = () => encodeRecord(eventOf());
const batch = (...offsets: number[]): ScriptedBatch => ({ records: offsets.map((offset) => [offset, value()]) });
/** These values from offset 0 on. */
const batchOf = (...values: Uint8Array[]): ScriptedBatch => ({ records: values.map((of, offset) => [offset, of]) });
/** Nothing came for a while. */
const idle = (end: number): ScriptedBatch => ({ records: [], end });
const skipped = { kind: 'no_data' } as const;

describe('a batch', () => {
  it('is committed, then fed to the metrics, and only then acknowledged', async () => {
    const { run } = await loopHarness();
    const { journal, progress } = await run([batch(0, 1, 2), batch(3)]);
    expect(journal).toEqual([
      ...['commit 0..3', 'push', 'acknowledge 3', 'maintain'],
      ...['commit 3..4', 'push', 'acknowledge 4', 'maintain'],
    ]);
    expect(progress).toMatchObject({ nextOffset: 4, outcomes: { stored: 4, duplicate: 0 } });
  });

  it('passes points at which a process may die, each of them with another part of it done', async () => {
    const { run } = await loopHarness();
    const { journal } = await run([batch(0)], { atPoint: (point, steps) => void steps.push(`at ${point}`) });
    expect(journal).toEqual([
      ...['at fetched', 'at built', 'commit 0..1', 'at committed', 'push', 'at fed'],
      ...['acknowledge 1', 'at acknowledged', 'maintain'],
    ]);
  });

  it('that lands in several transactions may die behind each of them', async () => {
    const { run } = await loopHarness();
    const { journal } = await run([batch(0, 1)], {
      store: (real) => ({
        async commit(request, decide) {
          if (request.candidates.length > 1) throw new RejectedByStoreError('too many');
          return real.commit(request, decide);
        },
      }),
      atPoint: (point, steps) => void steps.push(`at ${point}`),
    });
    expect(journal.slice(2, -3)).toEqual([
      ...['commit 0..1', 'at committed', 'push', 'at fed'],
      ...['commit 1..2', 'at committed', 'push', 'at fed'],
    ]);
  });

  it('waits for a tick of the pace and begins a rest, unless another full one waits already or nothing came', async () => {
    const { run } = await loopHarness();
    const steps: string[] = [];
    await run([{ ...batch(0, 1, 2), end: 6 }, { ...batch(3, 4), end: 7 }, batch(5, 6), idle(7)], {
      options: {
        batchLimits: { recordsMax: 3, bytesMax: 1_000_000 },
        pace: { tick: async () => void steps.push('tick'), rest: () => void steps.push('rest') },
        atPoint: (point) => (point === 'fetched' ? void steps.push(point) : undefined),
      },
    });
    expect(steps).toEqual(['tick', 'fetched', 'fetched', 'rest', 'tick', 'fetched', 'rest', 'fetched']);
  });

  it('neither waits nor rests where another one waits that is full by its bytes', async () => {
    const { run } = await loopHarness();
    const steps: string[] = [];
    await run([{ ...batch(0, 1), end: 4 }, { ...batch(2, 3, 4), end: 6 }, batch(5)], {
      options: {
        // As large as two of these records.
        batchLimits: { recordsMax: 100, bytesMax: 2 * encodeRecord(eventOf()).length - 20 },
        pace: { tick: async () => void steps.push('tick'), rest: () => void steps.push('rest') },
        atPoint: (point) => (point === 'fetched' ? void steps.push(point) : undefined),
      },
    });
    expect(steps).toEqual(['tick', 'fetched', 'fetched', 'rest', 'tick', 'fetched', 'rest']);
  });

  it('is cut below progress, before any work is done on it', async () => {
    const { run } = await loopHarness({ logStart: 5 });
    const { progress, journal } = await run([batch(3, 4, 5, 6)]);
    expect(journal).toContain('commit 5..7');
    expect(progress.outcomes).toEqual({ stored: 2, duplicate: 0, failed: 0, lost: 0, skipped: 0 });
  });

  it('that lies below progress as a whole is only acknowledged, at progress', async () => {
    const { run } = await loopHarness({ logStart: 5 });
    const { journal } = await run([batch(2, 3, 4)]);
    expect(journal).toEqual(['acknowledge 5', 'maintain']);
  });

  it('delivered twice is stored once, and is no duplicate', async () => {
    const { run } = await loopHarness();
    const { records } = batch(0, 1, 2);
    const { progress } = await run([{ records }, { records }, { records: records.slice(1) }, batch(3)]);
    expect(progress).toMatchObject({ nextOffset: 4, outcomes: { stored: 4, duplicate: 0 } });
  });

  it('leaves the last record’s offset and hash, which know the log again', async () => {
    const { run } = await loopHarness();
    const last = value();
    const { progress } = await run([batchOf(value(), last), idle(2)]);
    expect(progress.last).toEqual({ offset: 1, hash: new Uint8Array(hashRecord(last)) });
  });

  it('goes to the metrics with the tokens that chain it to the one before', async () => {
    const { run, claimed } = await loopHarness();
    const { pushed, progress } = await run([batch(0, 1), batch(2)]);
    const [first, second] = pushed;
    expect(first).toMatchObject({ previousToken: claimed.commitToken, watermark: { logNo: 1, nextOffset: 2 } });
    expect(second).toMatchObject({ previousToken: first!.watermark.commitToken, watermark: { nextOffset: 3 } });
    expect(second!.watermark.commitToken).toBe(progress.commitToken);
    expect(first!.delta.counts).toMatchObject([{ stored: 2 }]);
    expect(first!.recent.map(({ position }) => position.offset)).toEqual([1, 0]);
    // Texts of their own: the records' bytes are somebody else's by now.
    expect(first!.recent.map(({ payloadJson }) => payloadJson)).toEqual([eventOf().payloadJson, eventOf().payloadJson]);
  });

  it('whose answer was lost is not written again; the metrics are brought to the store’s state', async () => {
    const { run } = await loopHarness();
    let isLost = false;
    const { journal, progress, rebuilt, told } = await run([batch(0, 1), batch(2)], {
      store: (real) => ({
        async commit(request, decide) {
          const result = await real.commit(request, decide);
          if (isLost) return result;
          isLost = true;
          throw new UnavailableError('store_unavailable', 'the answer was lost');
        },
      }),
    });
    expect(journal.filter((what) => /commit|push|rebuild/.test(what))).toEqual([
      ...['commit 0..2', 'rebuild'],
      ...['commit 2..3', 'push'],
    ]);
    expect(rebuilt).toMatchObject([{ nextOffset: 2 }]);
    expect(progress).toMatchObject({ nextOffset: 3, outcomes: { stored: 3, duplicate: 0 } });
    expect(told).toContainEqual({
      name: 'batch.committed',
      payload: expect.objectContaining({ records: 2, stored: 0, alreadyCommitted: true }),
    });
  });

  it('is told with its outcomes and latencies, but for those of redrives', async () => {
    const { run } = await loopHarness();
    const redriven = encodeRecord(eventOf({ redriveOf: 'store:1:0:9' }));
    const { told } = await run([batchOf(value(), redriven, Buffer.from('{'))]);
    expect(told.find(({ name }) => name === 'batch.committed')?.payload).toMatchObject({
      records: 3,
      stored: 2,
      failed: 1,
      latencies: [[expect.any(Number), 1]],
    });
    expect(told.find(({ name }) => name === 'inbox.added')?.payload).toEqual({
      partition: 0,
      code: 'invalid_json',
      count: 1,
    });
  });

  it('that holds what the store refuses lands in parts, each fed to the metrics, and the next one follows', async () => {
    const { run, store } = await loopHarness();
    const { progress, pushed, journal } = await run([batch(0, 1, 2, 3), batch(4)], {
      store: (real) => ({
        async commit(request, decide) {
          if (request.candidates.some(({ offset }) => offset === 1)) throw new RejectedByStoreError('too odd');
          return real.commit(request, decide);
        },
      }),
    });
    expect(progress).toMatchObject({ nextOffset: 5, outcomes: { stored: 4, failed: 1 } });
    const commits = journal.filter((what) => what.startsWith('commit'));
    expect(commits).toEqual(['commit 0..1', 'commit 1..2', 'commit 2..4', 'commit 4..5']);
    expect(pushed).toHaveLength(4);
    pushed.reduce((before, update) => {
      expect(update.previousToken).toBe(before.watermark.commitToken);
      return update;
    });
    expect(await store.verify(storeConsumer)).toEqual([]);
  });

  it('shows the newest of its events, no more than can be seen', async () => {
    const { run } = await loopHarness();
    const { pushed } = await run([batch(...Array.from({ length: 50 }, (_, offset) => offset))]);
    const offsets = pushed[0]!.recent.map(({ position }) => position.offset);
    expect(offsets).toEqual(Array.from({ length: 20 }, (_, index) => 49 - index));
  });

  it('that is fenced ends the loop, without metrics and without acknowledgement', async () => {
    const { run, store, claimed } = await loopHarness();
    await store.claim({ consumer: storeConsumer, partition: 0, logId: claimed.logId, logStart: 0 });
    expect(await run([batch(0)])).toMatchObject({ end: 'fenced', journal: [], progress: { nextOffset: 0 } });
  });
});

describe('a gap', () => {
  it('without data counts as skipped, together with the records behind it', async () => {
    const { run } = await loopHarness();
    const { journal, progress, told } = await run([batch(0, 1, 4, 5)], { gaps: [skipped] });
    expect(journal).toEqual([
      'commit 0..2',
      'push',
      'examine 2..4',
      'commit 2..6',
      'push',
      'acknowledge 6',
      'maintain',
    ]);
    expect(progress.outcomes).toEqual({ stored: 4, duplicate: 0, failed: 0, lost: 0, skipped: 2 });
    expect(told).toContainEqual({ name: 'gap.skipped', payload: { partition: 0, from: 2, to: 4 } });
  });

  it('that was trimmed counts as lost, and is told', async () => {
    const { run } = await loopHarness();
    const { progress, told } = await run([batch(0, 1, 5)], { gaps: [{ kind: 'trimmed', start: 9 }] });
    expect(progress.outcomes).toEqual({ stored: 3, duplicate: 0, failed: 0, lost: 3, skipped: 0 });
    expect(told).toContainEqual({ name: 'gap.lost', payload: { partition: 0, from: 2, to: 5, reason: 'trimmed' } });
  });

  it('that was damaged and is given up counts as lost, and is told', async () => {
    const { run } = await loopHarness();
    const { progress, told } = await run([batch(0, 1, 5), idle(9)], {
      gaps: [
        { kind: 'given_up', end: 5 },
        { kind: 'given_up', end: 7 },
        { kind: 'given_up', end: 20 },
      ],
    });
    expect(progress).toMatchObject({ nextOffset: 9, outcomes: { stored: 3, lost: 6, skipped: 0 } });
    for (const [from, to] of [
      [2, 5],
      [6, 7],
      [7, 9],
    ]) {
      expect(told).toContainEqual({ name: 'gap.lost', payload: { partition: 0, from, to, reason: 'given_up' } });
    }
  });

  it('of which only the beginning was trimmed is taken in two', async () => {
    const { run } = await loopHarness();
    const { journal, progress, told } = await run([batch(0, 1, 7)], { gaps: [{ kind: 'trimmed', start: 4 }, skipped] });
    expect(journal.filter((what) => !/push|acknowledge|maintain/.test(what))).toEqual([
      ...['commit 0..2', 'examine 2..7', 'commit 2..4', 'examine 4..7', 'commit 4..8'],
    ]);
    expect(progress.outcomes).toEqual({ stored: 3, duplicate: 0, failed: 0, lost: 2, skipped: 3 });
    expect(told.map(({ name, payload }) => [name, payload])).toContainEqual([
      'gap.lost',
      { partition: 0, from: 2, to: 4, reason: 'trimmed' },
    ]);
  });

  it('that has data means that the stream was wrong: it must be opened anew', async () => {
    const { run } = await loopHarness();
    const { end, journal, progress } = await run([batch(0, 1, 5)], { gaps: [{ kind: 'data' }] });
    expect(end).toBe('reopen');
    expect(journal).toEqual(['commit 0..2', 'push', 'examine 2..5']);
    expect(progress).toMatchObject({ nextOffset: 2, outcomes: { stored: 2, lost: 0, skipped: 0 } });
  });

  it('at the end, after a while without records, is looked at', async () => {
    const { run } = await loopHarness();
    const { journal, progress } = await run([batch(0, 1), idle(5), idle(5)], { gaps: [skipped] });
    expect(journal.filter((what) => /examine|commit/.test(what))).toEqual([
      'commit 0..2',
      'examine 2..5',
      'commit 2..5',
    ]);
    expect(progress).toMatchObject({ nextOffset: 5, outcomes: { stored: 2, skipped: 3 }, last: { offset: 1 } });
  });

  it('at the end is not looked at while records come', async () => {
    const { run } = await loopHarness();
    const busy = { ...batch(0, 1), end: 50 };
    expect((await run([busy])).journal).toEqual(['commit 0..2', 'push', 'acknowledge 2', 'maintain']);
  });

  it('before everything that is left is not passed, where the partition is somebody else’s by then', async () => {
    const { run, store } = await loopHarness();
    await store.claim(claimOf());
    expect(await run([batch(4)], { logStart: 4 })).toMatchObject({ end: 'fenced', journal: [] });
  });

  it('at the end is not passed, where the partition is somebody else’s by then', async () => {
    const { run, store } = await loopHarness();
    await store.claim(claimOf());
    expect(await run([idle(4)], { gaps: [skipped] })).toMatchObject({ end: 'fenced', journal: ['examine 0..4'] });
  });

  it('before everything that is left, since the log was trimmed past progress, is lost before a record is read', async () => {
    const { run } = await loopHarness();
    const { journal, progress, told } = await run([batch(4, 5)], { logStart: 4 });
    expect(journal).toEqual(['commit 0..4', 'push', 'commit 4..6', 'push', 'acknowledge 6', 'maintain']);
    expect(progress.outcomes).toEqual({ stored: 2, duplicate: 0, failed: 0, lost: 4, skipped: 0 });
    expect(told[0]).toEqual({ name: 'gap.lost', payload: { partition: 0, from: 0, to: 4, reason: 'trimmed' } });
  });

  it('like any other in one batch adds up', async () => {
    const { run, store } = await loopHarness();
    const { progress } = await run([batch(1, 2, 5, 9, 10, 15)], {
      gaps: [skipped, { kind: 'trimmed', start: 5 }, skipped, { kind: 'trimmed', start: 12 }, skipped],
    });
    expect(progress).toMatchObject({
      nextOffset: 16,
      outcomes: { stored: 6, duplicate: 0, failed: 0, lost: 3, skipped: 7 },
    });
    expect(await store.verify(storeConsumer)).toEqual([]);
  });
});

describe('maintenance', () => {
  it('comes after each batch, from the progress that the batch left; the next batch follows its token', async () => {
    const { run, store } = await loopHarness();
    const { progress, pushed } = await run([batch(0, 1), batch(2)], {
      async maintained(progress) {
        const { consumer, logNo, partition, ownerEpoch, nextOffset, commitToken } = progress;
        const done = await store.maintain({
          ...{ consumer, logNo, partition, ownerEpoch, previousToken: commitToken, expectedOffset: nextOffset },
          token: `maintained ${nextOffset}`,
          now: startAt,
          pruneBefore: startAt + 1,
          publishedOnly: false,
          jobsEndedBefore: null,
          foldFineBefore: 0,
          foldMinutesBefore: 0,
        });
        expect(done).toMatchObject({ kind: 'committed' });
        return { commitToken: `maintained ${nextOffset}` };
      },
    });
    expect(progress).toMatchObject({ nextOffset: 3, commitToken: 'maintained 3', pruned: 3 });
    expect(pushed[1]?.previousToken).toBe('maintained 2');
  });

  it.each(['fenced', 'reopen'] as const)('that ends as %s ends the loop', async (end) => {
    const { run } = await loopHarness();
    expect(await run([batch(0), batch(1)], { maintained: () => end })).toMatchObject({
      end,
      progress: { nextOffset: 1 },
    });
  });
});

describe('stopping', () => {
  it('while it waits for records ends the loop', async () => {
    const { run } = await loopHarness();
    expect((await run([])).end).toBe('aborted');
  });

  it('while the store is away leaves the batch unacknowledged', async () => {
    const { run, stop } = await loopHarness();
    const { end, journal, progress } = await run([batch(0, 1)], {
      store: () => ({
        async commit() {
          stop.abort(new Error('stopping'));
          throw new UnavailableError('store_busy', 'away');
        },
      }),
    });
    expect(end).toBe('aborted');
    expect(journal).toEqual([]);
    expect(progress.nextOffset).toBe(0);
  });

  it('finishes the batch whose transaction runs', async () => {
    const { run, stop } = await loopHarness();
    const { end, journal } = await run([batch(0, 1), batch(2)], {
      store: (real) => ({
        commit(request, decide) {
          stop.abort(new Error('stopping'));
          return real.commit(request, decide);
        },
      }),
    });
    expect(end).toBe('aborted');
    expect(journal).toEqual(['commit 0..2', 'push', 'acknowledge 2', 'maintain']);
  });

  it('does not hide a bug', async () => {
    const { run } = await loopHarness();
    const broken = run([batch(0)], {
      store: () => ({
        async commit() {
          throw new TypeError('x is not a function');
        },
      }),
    });
    await expect(broken).rejects.toThrow('x is not a function');
  });
});
