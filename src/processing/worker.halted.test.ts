import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { claimOf } from '../testing/event-store.batches.ts';
import { workerHarness } from '../testing/worker-harness.ts';

describe('a partition is halted', () => {
  it('by a bug, and the others go on; it is not claimed again', async () => {
    const { log, wrapped, store, start, claimed, payloadsOf, journal, expectProgress } = await workerHarness(3);
    wrapped.commit = async (request, decide) => {
      if (request.partition === 1) throw new TypeError('x is not a function');
      return store.commit(request, decide);
    };
    const { worker } = start();
    for (const partition of [0, 1, 2]) log.put(partition);
    await expectProgress(1, 0, 1);
    await expect.poll(() => worker.halted().get(1)?.reason).toBe('bug');
    log.put(2);
    await expectProgress(1, 0, 2);
    expect(claimed.at(-1)).toEqual({ working: [0, 2], halted: [1] });
    expect(payloadsOf('partition.halted')).toMatchObject([
      { partition: 1, reason: 'bug', message: expect.stringContaining('x is not a function') },
    ]);
    log.assign();
    await expect.poll(journal).toContain('open {"0":1,"2":2}');
    expect(payloadsOf('partition.claimed').filter(({ partition }) => partition === 1)).toHaveLength(1);
  });

  it('by a bug, and is tried again after half a minute, then after a minute', async () => {
    const { log, wrapped, store, start, clock, payloadsOf, expectProgress } = await workerHarness(2);
    let wrongs = 2;
    wrapped.commit = async (request, decide) => {
      if (request.partition === 1 && wrongs-- > 0) throw new TypeError('x is not a function');
      return store.commit(request, decide);
    };
    const { worker } = start();
    for (const partition of [0, 1]) log.put(partition);
    await expect.poll(() => payloadsOf('partition.halted')).toHaveLength(1);
    clock.now += limits.bugRetryMs;
    await expect.poll(() => payloadsOf('partition.halted')).toHaveLength(2);
    clock.now += limits.bugRetryMs;
    log.put(0);
    await expectProgress(2, 0);
    expect(worker.halted().get(1)?.reason).toBe('bug');
    clock.now += limits.bugRetryMs;
    await expectProgress(2, 1);
    expect(worker.halted().size).toBe(0);
  });

  it('where its log was replaced, and the others go on', async () => {
    const { log, store, start, claimed, haltedRebuilds, payloadsOf, journal, expectProgress } = await workerHarness(2);
    await store.claim(claimOf(1, 7));
    log.put(0);
    const { worker } = start();
    await expectProgress(1, 7);
    expect(worker.halted().get(1)).toMatchObject({
      reason: 'log_replaced',
      message: expect.stringContaining('lost ack'),
    });
    expect(payloadsOf('partition.halted')).toMatchObject([{ partition: 1, reason: 'log_replaced' }]);
    expect(claimed).toEqual([{ working: [0], halted: [1] }]);
    expect(haltedRebuilds).toEqual([1]);
    expect(journal()).toEqual(['join', 'open {"0":0}']);
  });

  it('where its log is damaged, after all that lies before, and the others go on', async () => {
    const { log, start, claimed, payloadsOf, expectProgress } = await workerHarness(2);
    for (let n = 0; n < 4; n++) for (const partition of [0, 1]) log.put(partition);
    log.damage(1, 2);
    const { worker } = start();
    await expectProgress(4, 2);
    const halted = { reason: 'log_damaged', message: 'partition 1 is damaged at offset 2' };
    await expect.poll(() => worker.halted().get(1)).toMatchObject(halted);
    log.put(0);
    await expectProgress(5, 2);
    expect(claimed.at(-1)).toEqual({ working: [0], halted: [1] });
    expect(payloadsOf('partition.halted')).toEqual([{ partition: 1, ...halted }]);
    // The group gives the partitions anew: it is not claimed only to be halted again.
    log.assign();
    log.put(0);
    await expectProgress(6, 2);
    expect(payloadsOf('partition.halted')).toHaveLength(1);
    expect(payloadsOf('partition.claimed').filter(({ partition }) => partition === 1)).toHaveLength(1);
  });

  it('for damage as long as it is there, and no longer', async () => {
    const { log, start, expectProgress } = await workerHarness(2);
    for (const partition of [0, 1]) log.put(partition);
    for (const partition of [0, 1]) log.damage(partition, 0);
    const { worker } = start();
    await expect.poll(() => worker.halted().size).toBe(2);
    log.mend(0, 0);
    await expectProgress(1, 0);
    log.mend(1, 0);
    await expectProgress(1, 1);
    expect(worker.halted().size).toBe(0);
  });

  it('for no damage to what it has stored already', async () => {
    const { log, store, start, payloadsOf, expectProgress } = await workerHarness();
    for (let n = 0; n < 3; n++) log.put(0);
    const { worker } = start();
    await expectProgress(3);
    for (let n = 0; n < 3; n++) log.damage(0, n);
    log.assign();
    await expect.poll(() => payloadsOf('partition.claimed')).toHaveLength(2);
    log.put(0);
    await expectProgress(4);
    expect(worker.halted().size).toBe(0);
    expect((await store.progress(storeConsumer))[0]?.outcomes).toMatchObject({ stored: 4, lost: 0 });
  });

  it('as long as the log is another, and no longer', async () => {
    const { log, start, store, expectProgress } = await workerHarness();
    await store.claim(claimOf());
    log.rename('log-b');
    log.put(0);
    const { worker } = start();
    await expect.poll(() => worker.halted().size).toBe(1);
    log.rename('log-a');
    log.assign();
    await expectProgress(1);
    expect(worker.halted().size).toBe(0);
  });
});

describe('a partition that was halted and is now somebody else’s', () => {
  it('is not this worker’s to tell of any more, nor to wait for', async () => {
    const { log, start, store, claimed, journal, expectProgress } = await workerHarness(2);
    await store.claim(claimOf(1, 7));
    const { worker } = start();
    await expect.poll(() => worker.halted().get(1)?.reason).toBe('log_replaced');
    log.assign([0]);
    log.put(0);
    await expectProgress(1, 7);
    expect(worker.halted().size).toBe(0);
    expect(claimed.at(-1)).toEqual({ working: [0], halted: [] });
    // Its log comes right: whoever has it now sees to that, and the stream of the other one goes on.
    for (let n = 0; n < 7; n++) log.put(1);
    const before = journal();
    for (let n = 2; n < 7; n++) {
      log.put(0);
      await expectProgress(n, 7);
    }
    expect(journal()).toEqual(before);
  });

  it('is tried again when it comes back, also where a bug had halted it', async () => {
    const { log, wrapped, start, store, expectProgress } = await workerHarness(2);
    let isWrong = true;
    wrapped.commit = async (request, decide) => {
      if (isWrong && request.partition === 1) throw new TypeError('x is not a function');
      return store.commit(request, decide);
    };
    log.put(1);
    const { worker } = start();
    await expect.poll(() => worker.halted().get(1)?.reason).toBe('bug');
    log.assign([0]);
    await expect.poll(() => worker.halted().size).toBe(0);
    isWrong = false;
    log.assign();
    await expectProgress(0, 1);
  });
});

describe('an operator who adopts the log', () => {
  it('sets all partitions going again, without a restart', async () => {
    const { log, start, store, claimed, expectProgress } = await workerHarness(2);
    for (const partition of [0, 1]) await store.claim(claimOf(partition, 7));
    log.rename('log-b');
    log.put(1);
    const { worker } = start();
    await expect.poll(() => worker.halted().size).toBe(2);
    await store.adoptLog('log-b', 1);
    await expectProgress(0, 1);
    expect(worker.halted().size).toBe(0);
    expect(claimed.at(-1)).toEqual({ working: [0, 1], halted: [] });
  });

  it('is noticed while other partitions are worked on', async () => {
    const { log, start, store, expectProgress } = await workerHarness(2);
    await store.claim(claimOf(1, 1));
    log.put(0);
    const { worker } = start();
    await expectProgress(1, 1);
    expect(worker.halted().get(1)?.reason).toBe('log_replaced');
    log.put(1);
    await expect.poll(() => worker.halted().size).toBe(0);
    log.put(1);
    await expectProgress(1, 2);
  });
});
