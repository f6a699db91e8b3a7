import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { EventStore } from '../event-store/event-store.ts';
import { batchOf, commitBatch, eventOf } from '../testing/event-store.batches.ts';
import { type ScriptedLog, scriptedLog } from '../testing/scripted-log.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { hashRecord } from './build-batch.ts';
import { claimPartition, findReplacements } from './claim-partition.ts';
import { decideBatch } from './decide-batch.ts';

const text = (value: string) => Buffer.from(value);

/** A log of five records, all of them processed. */
async function processed(): Promise<{ log: ScriptedLog; store: EventStore }> {
  const store = await temporaryStore();
  const log = scriptedLog();
  log.put(0, ['a', 'b', 'c', 'd', 'e'].map(text));
  const { progress } = await claim(store, log);
  const last = { offset: 4, hash: hashRecord(text('e')) };
  await commitBatch(
    store,
    progress,
    [0, 1, 2, 3, 4].map(() => eventOf()),
    { last },
  );
  return { log, store };
}

async function claim(store: EventStore, log: ScriptedLog) {
  return claimPartition(store, log, storeConsumer, 0, await log.describe());
}

describe('claimPartition', () => {
  it('starts a partition that nobody has had at the log’s start', async () => {
    const store = await temporaryStore();
    const log = scriptedLog();
    log.put(0, ['a', 'b', 'c'].map(text));
    await log.trim(0, 2);
    expect(await claim(store, log)).toMatchObject({
      kind: 'claimed',
      logStart: 2,
      progress: { base: 2, nextOffset: 2, ownerEpoch: 1 },
    });
  });

  it('goes on where the partition was left, whatever has been appended since', async () => {
    const { log, store } = await processed();
    log.put(0, [text('f')]);
    expect(await claim(store, log)).toMatchObject({
      kind: 'claimed',
      logStart: 0,
      progress: { nextOffset: 5, ownerEpoch: 2 },
    });
  });

  it('keeps the former owner from committing before it looks at the log', async () => {
    const { log, store } = await processed();
    const [former] = await store.progress(storeConsumer);
    let looks = 0;
    log.before.recordAt = async () => {
      looks += 1;
      const late = await store.commit(batchOf(former!, [eventOf()]), decideBatch);
      expect(late).toMatchObject({ kind: 'fenced' });
    };
    expect(await claim(store, log)).toMatchObject({ kind: 'claimed' });
    expect(looks).toBe(1);
  });

  it('does not take what the former owner did since the log was described for another log', async () => {
    const { log, store } = await processed();
    const described = await log.describe();
    log.put(0, [text('f')]);
    const [former] = await store.progress(storeConsumer);
    await commitBatch(store, former!, [eventOf()], { last: { offset: 5, hash: hashRecord(text('f')) } });
    const outcome = await claimPartition(store, log, storeConsumer, 0, described);
    expect(outcome).toMatchObject({ kind: 'claimed', progress: { nextOffset: 6 } });
  });

  it('tells how far the log’s start is ahead of progress', async () => {
    const { log, store } = await processed();
    log.put(0, ['f', 'g', 'h'].map(text));
    await log.trim(0, 7);
    expect(await claim(store, log)).toMatchObject({ kind: 'claimed', logStart: 7, progress: { nextOffset: 5 } });
  });

  it('compares nothing where there is nothing left to compare', async () => {
    const { log, store } = await processed();
    await log.trim(0, 5);
    expect(await claim(store, log)).toMatchObject({ kind: 'claimed', logStart: 5 });
  });

  it('does not take trimming between two reads for another log', async () => {
    const { log, store } = await processed();
    log.before.recordAt = () => log.trim(0, 5);
    expect(await claim(store, log)).toMatchObject({ kind: 'claimed' });
  });
});

describe('a log that was replaced is found by', () => {
  const replaced = (message: RegExp) => ({ kind: 'log_replaced', message: expect.stringMatching(message) });

  it('its id', async () => {
    const { log, store } = await processed();
    log.rename('log-b');
    expect(await claim(store, log)).toMatchObject(replaced(/from the log log-a, but this is the log log-b/));
  });

  it('its id, also for a partition that nobody has had, which is left without progress', async () => {
    const { store } = await processed();
    const other = scriptedLog(2);
    other.rename('log-b');
    const outcome = await claimPartition(store, other, storeConsumer, 1, await other.describe());
    expect(outcome).toMatchObject(replaced(/log-b/));
    expect((await store.progress(storeConsumer)).map(({ partition }) => partition)).toEqual([0]);
  });

  it('its end, where it lost records that were processed', async () => {
    const { log, store } = await processed();
    log.cutOff(0, 4);
    expect(await claim(store, log)).toMatchObject(
      replaced(/up to offset 5, but the log ends at 4: it lost acknowledged/),
    );
  });

  it('its end, where it is empty', async () => {
    const { store } = await processed();
    expect(await claim(store, scriptedLog())).toMatchObject(replaced(/the log ends at 0/));
  });

  it('another record at the last offset, where an older copy has grown since', async () => {
    const { log, store } = await processed();
    log.cutOff(0, 3);
    log.put(0, ['x', 'y', 'z'].map(text));
    expect(await claim(store, log)).toMatchObject(replaced(/offset 4 is not the one that was processed/));
  });

  it('no record at the last offset', async () => {
    const { log, store } = await processed();
    log.cutOff(0, 4);
    log.skip(0, 3);
    expect(await claim(store, log)).toMatchObject(replaced(/offset 4 is not the one/));
  });

  it('another record at the last offset, also where that is the first one left', async () => {
    const { log, store } = await processed();
    log.cutOff(0, 4);
    log.put(0, [text('x')]);
    await log.trim(0, 4);
    expect(await claim(store, log)).toMatchObject(replaced(/offset 4 is not the one/));
  });

  it('no record at the last offset, also where that is where it starts', async () => {
    const { log, store } = await processed();
    log.cutOff(0, 4);
    log.skip(0, 3);
    await log.trim(0, 4);
    expect(await claim(store, log)).toMatchObject(replaced(/offset 4 is not the one/));
  });

  it('a partition that it does not have', async () => {
    const store = await temporaryStore();
    const log = scriptedLog(2);
    await claimPartition(store, log, storeConsumer, 1, await log.describe());
    const smaller = scriptedLog(1);
    const outcome = await claimPartition(store, smaller, storeConsumer, 1, await smaller.describe());
    expect(outcome).toMatchObject(replaced(/no partition 1/));
  });
});

describe('findReplacements', () => {
  /** A log of so many partitions with a processed record in each, which counts what it is asked. */
  async function counted(partitions: number) {
    const store = await temporaryStore();
    const log = scriptedLog(partitions);
    const described = await log.describe();
    for (let partition = 0; partition < partitions; partition++) {
      log.put(partition, [text('a')]);
      const outcome = await claimPartition(store, log, storeConsumer, partition, described);
      await commitBatch(store, outcome.progress, [eventOf()], { last: { offset: 0, hash: hashRecord(text('a')) } });
    }
    const asked = { descriptions: 0, records: 0, atOnce: 0, atOnceMax: 0 };
    log.before.describe = () => void (asked.descriptions += 1);
    log.before.recordAt = async () => {
      asked.records += 1;
      asked.atOnce += 1;
      asked.atOnceMax = Math.max(asked.atOnceMax, asked.atOnce);
      await nextTurn();
      asked.atOnce -= 1;
    };
    return { store, log, asked };
  }

  it('asks for the log once, and for the records of a few partitions at a time', async () => {
    const { store, log, asked } = await counted(2 * limits.recordsComparedAtOnceMax + 1);
    expect(await findReplacements(log, store, storeConsumer)).toEqual([]);
    expect(asked).toMatchObject({ descriptions: 1, records: log.partitions });
    expect(asked.atOnceMax).toBe(limits.recordsComparedAtOnceMax);
  });

  it('tells of each partition that it is named', async () => {
    const { store, log, asked } = await counted(3);
    for (const partition of [0, 1]) log.cutOff(partition, 0);
    const found = await findReplacements(log, store, storeConsumer, [1, 2]);
    expect(found).toEqual([expect.stringContaining('Partition 1')]);
    expect(asked.descriptions).toBe(1);
  });
});
