import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { createSegmentEventLog } from '../event-log/segment/event-log.segment.ts';
import { claimOf, eventOf } from '../testing/event-store.batches.ts';
import { temporaryDirectory } from '../testing/temporary-store.ts';
import { workerHarness } from '../testing/worker-harness.ts';

const away = () => new UnavailableError('store_busy', 'away');

describe('an assignment', () => {
  it('has every partition claimed, then one stream opened at their progress', async () => {
    const { store, log, start, claimed, feedClaims, payloadsOf, journal, expectProgress } = await workerHarness(2);
    log.put(0);
    log.put(0);
    const { commitToken } = await store.claim(claimOf(0, 1));
    log.put(1);
    start();
    await expectProgress(2, 1);
    expect(feedClaims).toMatchObject([
      { partition: 0, logNo: 1, nextOffset: 1, commitToken },
      { partition: 1, logNo: 1, nextOffset: 0 },
    ]);
    expect(journal()).toEqual(['join', 'open {"0":1,"1":0}']);
    expect(claimed).toEqual([{ working: [0, 1], halted: [] }]);
    expect(payloadsOf('partition.claimed')).toEqual([
      { partition: 0, ownerEpoch: 2, nextOffset: 1 },
      { partition: 1, ownerEpoch: 1, nextOffset: 0 },
    ]);
  });

  it('has the log described once for all its partitions, and anew after a wait', async () => {
    const { log, wrapped, store, start, clock, expectProgress } = await workerHarness(6);
    let described = 0;
    log.before.describe = () => void (described += 1);
    let isAway = true;
    wrapped.claim = async (request) => {
      if (isAway && request.partition === 3) {
        isAway = false;
        clock.now += limits.describedForMs;
        throw away();
      }
      return store.claim(request);
    };
    log.put(5);
    start();
    await expectProgress(0, 0, 0, 0, 0, 1);
    expect(described).toBe(2);
  });

  it('is read from the log’s start where that has passed progress, and what lay between is lost', async () => {
    const { store, log, start, journal, expectProgress } = await workerHarness();
    await store.claim(claimOf());
    for (let n = 0; n < 5; n++) log.put(0);
    await log.trim(0, 3);
    start();
    await expectProgress(5);
    expect(journal()).toEqual(['join', 'open {"0":3}']);
    expect((await store.progress(storeConsumer))[0]?.outcomes).toMatchObject({ stored: 2, lost: 3 });
  });

  it('that is over is followed by the next, from progress', async () => {
    const { log, start, journal, expectProgress } = await workerHarness();
    log.put(0);
    start();
    await expectProgress(1);
    log.assign();
    await expect.poll(journal).toEqual(['join', 'open {"0":0}', 'close stream', 'open {"0":1}']);
    log.put(0);
    await expectProgress(2);
  });

  it('waits for a store and a log that are away, and says so', async () => {
    const { log, wrapped, store, start, told, pauses, expectProgress } = await workerHarness();
    log.put(0);
    const failures = { join: 2, open: 2, claim: 3 };
    const failing = (what: keyof typeof failures) => () => {
      failures[what] -= 1;
      if (failures[what] >= 0) throw away();
    };
    log.before.join = failing('join');
    log.before.open = failing('open');
    wrapped.claim = async (request) => {
      failing('claim')();
      return store.claim(request);
    };
    start();
    await expectProgress(1);
    const paused = told.filter(({ name }) => name === 'worker.paused' || name === 'partition.paused');
    expect(paused.map(({ name, payload }) => [name, payload])).toMatchObject([
      ...[0, 1].map((attempt) => ['worker.paused', { reason: 'join: away', attempt }]),
      ...[0, 1, 2].map((attempt) => ['partition.paused', { partition: 0, reason: 'claim: away', attempt }]),
      ...[0, 1].map((attempt) => ['worker.paused', { reason: 'open: away', attempt }]),
    ]);
    expect(pauses.slice(2, 5)).toEqual([100, 200, 400]);
  });

  it('rejects for what is a bug of the worker', async () => {
    const { log, start } = await workerHarness();
    log.before.join = () => {
      throw new TypeError('x is not a function');
    };
    await expect(start().run).rejects.toThrow(TypeError);
  });
});

describe('the failed topic', () => {
  it('is told of at a claim and after a batch that failed something, and that a partition is given away', async () => {
    const { log, start, expectProgress } = await workerHarness();
    const journal: string[] = [];
    const failures = {
      notice: (partition: number) => void journal.push(`notice ${partition}`),
      release: (partition: number) => void journal.push(`release ${partition}`),
    };
    log.put(0);
    start({ failures });
    await expectProgress(1);
    expect(journal).toEqual(['notice 0']);
    log.put(0, [Buffer.from('no event')]);
    await expectProgress(2);
    expect(journal).toEqual(['notice 0', 'notice 0']);
    log.assign();
    await expect.poll(() => journal).toEqual(['notice 0', 'notice 0', 'release 0', 'notice 0']);
  });
});

describe('a partition that was fenced', () => {
  it('is claimed anew with all the others, once the group has confirmed it, over a new stream', async () => {
    const { store, log, start, payloadsOf, journal, expectProgress } = await workerHarness(2);
    start();
    await expect.poll(journal).toContain('open {"0":0,"1":0}');
    const gate = Promise.withResolvers<void>();
    log.before.confirm = () => gate.promise;
    await store.claim(claimOf(1));
    log.put(1);
    await expect.poll(() => payloadsOf('partition.fenced')).toEqual([{ partition: 1 }]);
    await expect.poll(journal).toContain('close stream');
    const claims = () => payloadsOf('partition.claimed').length;
    expect(claims()).toBe(2);
    gate.resolve();
    await expectProgress(0, 1);
    expect(claims()).toBe(4);
    expect(journal()).toEqual(['join', 'open {"0":0,"1":0}', 'close stream', 'confirm', 'open {"0":0,"1":0}']);
  });

  it('is left to whoever has it, where the group does not confirm', async () => {
    const { store, log, start, payloadsOf, expectProgress } = await workerHarness();
    const { run, worker } = start();
    await expect.poll(() => payloadsOf('partition.claimed')).toHaveLength(1);
    let refusals = 0;
    log.before.confirm = () => {
      refusals += 1;
      // That it is over is known later than that it is not confirmed.
      if (refusals === 3) log.assign();
      throw away();
    };
    const other = await store.claim(claimOf());
    log.put(0);
    await expectProgress(1);
    expect(refusals).toBe(3);
    expect(payloadsOf('partition.claimed').map(({ ownerEpoch }) => ownerEpoch)).toEqual([1, other.ownerEpoch + 1]);
    await worker.stop();
    await run;
  });

  it('again and again waits longer and longer, until it has worked for a while', async () => {
    const { store, log, wrapped, start, clock, pauses, expectProgress } = await workerHarness();
    let fences = 0;
    wrapped.commit = async (request, decide) => {
      fences += 1;
      if (fences === 5) clock.now += 10_000;
      if (fences < 8) await store.claim(claimOf());
      return store.commit(request, decide);
    };
    log.put(0);
    start();
    await expectProgress(1);
    expect(pauses).toEqual([200, 400, 800, 1_600, 100, 200, 400]);
  });
});

describe('a stream that leaves out what is there', () => {
  it('is closed, and another one reads it, of every partition', async () => {
    const { store, log, start, journal, expectProgress } = await workerHarness(2);
    for (let n = 0; n < 5; n++) log.put(0);
    let isWrong = true;
    log.omits = ({ offset }) => isWrong && offset === 2;
    log.before.confirm = () => {
      isWrong = false;
      log.put(1);
    };
    start({ idleMs: 60_000 });
    await expectProgress(5, 1);
    expect(journal()).toEqual(['join', 'open {"0":0,"1":0}', 'close stream', 'confirm', 'open {"0":2,"1":0}']);
    expect((await store.progress(storeConsumer))[0]?.outcomes).toMatchObject({ stored: 5, duplicate: 0, skipped: 0 });
  });

  it('can not be judged while the log is away: it is read anew, and no partition is halted', async () => {
    const { store, log, start, payloadsOf, expectProgress } = await workerHarness();
    log.put(0);
    log.skip(0, 2);
    log.put(0);
    log.before.examineGap = () => {
      log.before.examineGap = undefined;
      throw new UnavailableError('log_unavailable', 'no answer');
    };
    const { worker } = start();
    await expectProgress(4);
    expect(worker.halted().size).toBe(0);
    expect(payloadsOf('partition.paused')).toMatchObject([{ partition: 0, reason: 'no answer' }]);
    expect((await store.progress(storeConsumer))[0]?.outcomes).toMatchObject({ stored: 2, duplicate: 0, skipped: 2 });
  });

  it('is replaced on the embedded log too', async () => {
    const { store, start, expectProgress } = await workerHarness();
    const log = await createSegmentEventLog({ directory: join(await temporaryDirectory(), 'log'), partitions: 1 });
    await log.append([{ partition: 0, value: encodeRecord(eventOf()) }]);
    let isAway = true;
    const { worker, run } = start({
      log,
      maintenance: {
        async run({ commitToken }) {
          if (!isAway) return { commitToken };
          isAway = false;
          return 'reopen';
        },
      },
    });
    await expectProgress(1);
    await log.append([{ partition: 0, value: encodeRecord(eventOf()) }]);
    await expectProgress(2);
    expect((await store.progress(storeConsumer))[0]).toMatchObject({ ownerEpoch: 2 });
    await worker.stop();
    await run;
    await log.close();
  });
});

describe('stop', () => {
  it('finishes the transaction that runs, then leaves the group', async () => {
    const { store, log, wrapped, start, journal } = await workerHarness();
    const began = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    wrapped.commit = async (request, decide) => {
      began.resolve();
      await gate.promise;
      const result = await store.commit(request, decide);
      log.journal.push('committed');
      return result;
    };
    log.put(0);
    const { worker, run } = start();
    await began.promise;
    const stopped = worker.stop();
    gate.resolve();
    await stopped;
    await run;
    expect(journal()).toEqual(['join', 'open {"0":0}', 'committed', 'close stream', 'leave', 'settle']);
    expect((await store.progress(storeConsumer))[0]?.nextOffset).toBe(1);
  });

  it('ends a wait for records', async () => {
    const { start, journal } = await workerHarness();
    const { worker, run } = start({ idleMs: 60_000 });
    await expect.poll(journal).toContain('open {"0":0}');
    await worker.stop();
    await run;
    expect(journal().at(-2)).toBe('leave');
  });

  it('ends a wait for a partition to work on', async () => {
    const { store, start, journal, claimed } = await workerHarness();
    await store.claim(claimOf(0, 9));
    const { worker, run } = start();
    await expect.poll(() => claimed).toEqual([{ working: [], halted: [0] }]);
    await worker.stop();
    await run;
    expect(journal()).toEqual(['join', 'leave', 'settle']);
  });

  it.each(['join', 'claim', 'open', 'confirm'] as const)('ends a wait for what is away in %s', async (what) => {
    const { store, log, wrapped, start, payloadsOf } = await workerHarness();
    const paused = what === 'claim' ? 'partition.paused' : 'worker.paused';
    const fail = () => {
      throw away();
    };
    if (what === 'claim') wrapped.claim = async () => fail();
    else log.before[what] = fail;
    if (what === 'confirm') {
      wrapped.commit = async (request, decide) => {
        await store.claim(claimOf());
        return store.commit(request, decide);
      };
      log.put(0);
    }
    const { worker, run } = start();
    await expect.poll(() => payloadsOf(paused).length).toBeGreaterThan(2);
    await worker.stop();
    await run;
    const tries = payloadsOf(paused).length;
    await worker.run();
    expect(payloadsOf(paused)).toHaveLength(tries);
  });

  it('before the join has come about leaves again at once', async () => {
    const { log, start, journal, payloadsOf } = await workerHarness();
    const gate = Promise.withResolvers<void>();
    log.before.join = () => gate.promise;
    const { worker, run } = start();
    const stopped = worker.stop();
    gate.resolve();
    await stopped;
    await run;
    expect(journal()).toEqual(['join', 'leave', 'settle']);
    expect(payloadsOf('partition.claimed')).toEqual([]);
  });

  it('before it was run keeps it from running', async () => {
    const { log, journal, start } = await workerHarness();
    log.before.join = () => {
      throw away();
    };
    const { worker, run } = start();
    await worker.stop();
    await run;
    await worker.run();
    expect(journal()).toEqual(['settle']);
  });
});
