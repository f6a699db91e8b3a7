import { describe, expect, it } from 'vitest';
import type { LedgerSnapshot, PartitionProgress } from '../event-store/event-store.ts';
import { scriptedLog } from '../testing/scripted-log.ts';
import { isBalanced, noOutcomes, readLedger } from './ledger.ts';

const outcomes = { stored: 5, duplicate: 2, failed: 1, lost: 3, skipped: 4 };

function progress(overrides: Partial<PartitionProgress> = {}): PartitionProgress {
  return {
    consumer: 'store',
    logNo: 1,
    partition: 0,
    logId: 'log-a',
    base: 10,
    nextOffset: 25,
    last: null,
    ownerEpoch: 1,
    commitToken: 't',
    outcomes,
    pruned: 2,
    ...overrides,
  };
}

/** The ledger of these partitions on a log with these ends. */
async function ledgerOf(rows: readonly PartitionProgress[], ends: readonly number[], logNo = 1) {
  const log = scriptedLog(ends.length);
  ends.forEach((end, partition) => {
    log.skip(partition, end);
  });
  const snapshot: LedgerSnapshot = { logNo, logId: 'log-a', partitions: rows, openInInbox: 6 };
  return readLedger({ ledger: async () => snapshot }, log, 1_234);
}

describe('a partition is balanced', () => {
  it('when every offset since its base has one outcome', () => {
    expect(isBalanced(progress())).toBe(true);
    expect(isBalanced(progress({ base: 25, outcomes: noOutcomes, pruned: 0 }))).toBe(true);
  });

  it.each(['stored', 'duplicate', 'failed', 'lost', 'skipped'] as const)('and not when one %s is missing', (name) => {
    expect(isBalanced(progress({ outcomes: { ...outcomes, [name]: outcomes[name] - 1 } }))).toBe(false);
    expect(isBalanced(progress({ outcomes: { ...outcomes, [name]: outcomes[name] + 1 } }))).toBe(false);
  });

  it('and not when offsets are missing, or more was pruned than stored', () => {
    expect(isBalanced(progress({ nextOffset: 26 }))).toBe(false);
    expect(isBalanced(progress({ base: 9 }))).toBe(false);
    expect(isBalanced(progress({ pruned: 5 }))).toBe(true);
    expect(isBalanced(progress({ pruned: 6 }))).toBe(false);
  });
});

describe('the ledger', () => {
  it('adds partitions up, with what the log still holds as in flight', async () => {
    const second = progress({ partition: 1, base: 0, nextOffset: 15, pruned: 0 });
    const ledger = await ledgerOf([progress(), second], [30, 15]);
    expect(ledger).toMatchObject({
      ...{ appended: 35, stored: 10, duplicate: 4, failed: 2, lost: 6, skipped: 8, inFlight: 5, pruned: 2 },
      ...{ openInInbox: 6, balanced: true, asOf: 1_234 },
    });
    expect(ledger.partitions).toMatchObject([
      { partition: 0, base: 10, nextOffset: 25, logEnd: 30, inFlight: 5, stored: 5, pruned: 2, balanced: true },
      { partition: 1, logEnd: 15, inFlight: 0 },
    ]);
  });

  it('is not balanced when one partition is not', async () => {
    const wrong = progress({ partition: 1, nextOffset: 24 });
    const ledger = await ledgerOf([progress(), wrong], [30, 30]);
    expect(ledger.balanced).toBe(false);
    expect(ledger.partitions.map(({ balanced }) => balanced)).toEqual([true, false]);
  });

  it('counts what lies in partitions that nobody has claimed as in flight', async () => {
    const log = scriptedLog(3);
    log.skip(0, 25);
    log.skip(2, 8);
    await log.trim(2, 3);
    const snapshot = { logNo: 1, logId: 'log-a', partitions: [progress()], openInInbox: 0 };
    const ledger = await readLedger({ ledger: async () => snapshot }, log, 0);
    expect(ledger).toMatchObject({ appended: 20, inFlight: 5, balanced: true });
    expect(ledger.partitions).toMatchObject([
      { partition: 0 },
      { partition: 1, base: 0, nextOffset: 0, inFlight: 0, logNo: 1 },
      { partition: 2, base: 3, nextOffset: 3, logEnd: 8, inFlight: 5, ...noOutcomes },
    ]);
  });

  it('counts logs before the current one, with nothing in flight on them', async () => {
    const now = progress({ logNo: 2, base: 0, nextOffset: 0, outcomes: noOutcomes, pruned: 0 });
    const ledger = await ledgerOf([progress(), now], [7], 2);
    expect(ledger).toMatchObject({ appended: 22, stored: 5, inFlight: 7, balanced: true });
    expect(ledger.partitions).toMatchObject([
      { logNo: 1, logEnd: null, inFlight: 0 },
      { logNo: 2, logEnd: 7, inFlight: 7 },
    ]);
  });

  it('shows an adopted log’s partitions before they are claimed', async () => {
    const ledger = await ledgerOf([progress()], [7], 2);
    expect(ledger.partitions).toMatchObject([{ logNo: 1 }, { logNo: 2, inFlight: 7 }]);
    expect(ledger.appended).toBe(22);
  });

  it('knows no negative flight, where the log has lost records', async () => {
    expect(await ledgerOf([progress()], [20])).toMatchObject({ inFlight: 0, appended: 15 });
  });

  it('reads the log’s ends after the store, so that what is stored meanwhile is not missing', async () => {
    const log = scriptedLog(1);
    log.skip(0, 25);
    const store = {
      async ledger() {
        log.skip(0, 5);
        return { logNo: 1, logId: 'log-a', partitions: [progress({ nextOffset: 25 })], openInInbox: 0 };
      },
    };
    expect(await readLedger(store, log, 0)).toMatchObject({ inFlight: 5 });
  });
});
