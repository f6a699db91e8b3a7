import { describe, expect, it } from 'vitest';
import { hashContent } from '../domain/content.ts';
import { RejectedByStoreError, UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { Candidate, CommitRequest, Decide } from '../event-store/batch.ts';
import type { CommitResult } from '../event-store/event-store.ts';
import { createTelemetry, type TelemetryEventName } from '../telemetry/telemetry.ts';
import { hashRecord } from './build-batch.ts';
import { type CommitOptions, commitBatch } from './commit-batch.ts';

function candidate(offset: number): Candidate {
  const event = {
    id: `0190a3f0-0000-7000-8000-${String(offset).padStart(12, '0')}`,
    eventType: 't',
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    receivedAt: 1_000,
    redriveOf: null,
    payloadJson: '{}',
  };
  return { event, offset, contentHash: hashContent(event), value: Buffer.from(`v${offset}`) };
}

function request(offsets: readonly number[], skipped = 0): CommitRequest {
  return {
    consumer: 'store',
    logNo: 1,
    partition: 0,
    ownerEpoch: 1,
    expectedOffset: offsets[0]! - skipped,
    previousToken: 'start',
    token: 'whole',
    nextOffset: offsets.at(-1)! + 1,
    last: { offset: offsets.at(-1)!, hash: new Uint8Array(32) },
    candidates: offsets.map(candidate),
    rejected: [],
    skipped,
    lost: 0,
    storedAt: 2_000,
  };
}

/** A store that answers as told and keeps what landed, chained by offset and token as the real ones do. */
function scriptedStore(answer: (request: CommitRequest, call: number) => CommitResult | Error, probeFails = false) {
  const landed: CommitRequest[] = [];
  const calls: CommitRequest[] = [];
  return {
    landed,
    calls,
    async probe() {
      if (probeFails) throw new UnavailableError('store_busy', 'away');
    },
    async commit(asked: CommitRequest, decide: Decide): Promise<CommitResult> {
      calls.push(asked);
      const result = answer(asked, calls.length);
      if (result instanceof Error) throw result;
      if (result.kind === 'committed') landed.push(asked);
      const knowledge = { events: new Map(), countedAs: new Map(), attempts: new Map(), discarded: new Set<string>() };
      return result.kind === 'committed' ? { ...result, written: decide(asked, knowledge) } : result;
    },
  };
}

const committed: CommitResult = { kind: 'committed', alreadyCommitted: false, written: null };
const fenced: CommitResult = { kind: 'fenced', found: null };

function optionsFor(store: CommitOptions['store']) {
  const telemetry = createTelemetry();
  const told: TelemetryEventName[] = [];
  telemetry.onAny((name) => told.push(name));
  let tokens = 0;
  const options: CommitOptions = {
    store,
    telemetry,
    freshToken: () => `token ${tokens++}`,
    random: () => 0,
    pause: async (_ms, signal) => signal.throwIfAborted(),
    onCommitted: () => undefined,
  };
  return { options, told };
}

const never = new AbortController().signal;

describe('commitBatch', () => {
  it('repeats an unavailable batch unchanged, under the same token, until its fate is known', async () => {
    const store = scriptedStore((_request, call) =>
      call < 4 ? new UnavailableError('store_busy', 'locked') : committed,
    );
    const { options, told } = optionsFor(store);
    expect(await commitBatch(options, request([0, 1, 2]), never)).toBe('committed');
    expect(new Set(store.calls.map(({ token }) => token))).toEqual(new Set(['whole']));
    expect(store.landed).toHaveLength(1);
    expect(told).toEqual(['partition.paused', 'partition.paused', 'partition.paused', 'partition.resumed']);
  });

  it.each<[string, CommitResult | Error]>([
    ['refuses the batch', new RejectedByStoreError('too odd')],
    ['fences it', fenced],
  ])('tells that the wait is over also where the store %s after it', async (_what, answer) => {
    const isBad = (asked: CommitRequest) => asked.candidates.length > 0;
    const store = scriptedStore((asked, call) => {
      if (call < 3) return new UnavailableError('store_busy', 'locked');
      return isBad(asked) ? answer : committed;
    });
    const { options, told } = optionsFor(store);
    await commitBatch(options, request([0]), never);
    expect(told.slice(0, 3)).toEqual(['partition.paused', 'partition.paused', 'partition.resumed']);
    expect(told.filter((name) => name === 'partition.resumed')).toHaveLength(1);
  });

  it('tells that the wait is over where the batch is found to be the cause of it', async () => {
    const store = scriptedStore((asked) =>
      asked.candidates.length > 0 ? new UnavailableError('store_unavailable', 'no answer') : committed,
    );
    const { options, told } = optionsFor(store);
    expect(await commitBatch(options, request([0]), never)).toBe('committed');
    const pauses = told.lastIndexOf('partition.paused') + 1;
    expect(told.slice(pauses)).toEqual(['partition.resumed', 'partition.bisecting']);
  });

  it('gives a fenced batch up', async () => {
    const { options } = optionsFor(scriptedStore(() => fenced));
    expect(await commitBatch(options, request([0]), never)).toBe('fenced');
  });

  it('bisects a refused batch until exactly the bad record is in the inbox, and the rest is stored', async () => {
    const isBad = (asked: CommitRequest) => asked.candidates.some(({ offset }) => offset === 613);
    const store = scriptedStore((asked) => (isBad(asked) ? new RejectedByStoreError('too odd') : committed));
    const { options } = optionsFor(store);
    const offsets = Array.from({ length: 1_000 }, (_, index) => index);
    expect(await commitBatch(options, request(offsets), never)).toBe('committed');
    const rejected = store.landed.flatMap((landed) => landed.rejected);
    expect(rejected.map(({ offset, code }) => ({ offset, code }))).toEqual([
      { offset: 613, code: 'rejected_by_store' },
    ]);
    expect(rejected[0]?.message).toContain('too odd');
    expect(store.landed.flatMap((landed) => landed.candidates)).toHaveLength(999);
    // Every part is another batch, so none may be taken for one before it.
    expect(new Set(store.calls.map(({ token }) => token)).size).toBe(store.calls.length);
  });

  /** Refuses these offsets, and names the first of them that it comes to. */
  function namingStore(bad: ReadonlySet<number>) {
    return scriptedStore((asked) => {
      const found = asked.candidates.find(({ offset }) => bad.has(offset));
      return found === undefined ? committed : new RejectedByStoreError('too odd', { offset: found.offset });
    });
  }

  it('takes out the records that the store names, and stores the rest in one piece', async () => {
    const store = namingStore(new Set([2, 5]));
    const { options, told } = optionsFor(store);
    expect(await commitBatch(options, request([1, 2, 3, 4, 5, 6], 1), never)).toBe('committed');
    expect(store.calls).toHaveLength(3);
    expect(new Set(store.calls.map(({ token }) => token)).size).toBe(3);
    const [landed, ...others] = store.landed;
    expect(others).toEqual([]);
    expect(landed).toMatchObject({ expectedOffset: 0, previousToken: 'start', nextOffset: 7, skipped: 1 });
    expect(landed!.candidates.map(({ offset }) => offset)).toEqual([1, 3, 4, 6]);
    expect(landed!.rejected.map(({ offset, code }) => [offset, code])).toEqual([
      [2, 'rejected_by_store'],
      [5, 'rejected_by_store'],
    ]);
    expect(told).not.toContain('partition.bisecting');
  });

  it('bisects a batch that holds many of them: each that is named costs a try of all', async () => {
    const offsets = Array.from({ length: 64 }, (_, index) => index);
    const store = namingStore(new Set(offsets));
    const { options, told } = optionsFor(store);
    expect(await commitBatch(options, request(offsets), never)).toBe('committed');
    expect(told).toContain('partition.bisecting');
    expect(store.landed.flatMap(({ rejected }) => rejected.map(({ offset }) => offset)).sort((a, b) => a - b)).toEqual(
      offsets,
    );
    expect(store.landed.at(-1)!.nextOffset).toBe(64);
  });

  it('leaves no offset and no token unchained when it bisects, and keeps the gap with the first half', async () => {
    const store = scriptedStore((asked) =>
      asked.candidates.some(({ offset }) => offset % 3 === 0) ? new RejectedByStoreError('no') : committed,
    );
    const { options } = optionsFor(store);
    await commitBatch(options, request([4, 5, 6, 7, 8, 9], 4), never);
    let [offset, token] = [0, 'start'];
    for (const landed of store.landed) {
      expect([landed.expectedOffset, landed.previousToken]).toEqual([offset, token]);
      const records = landed.candidates.length + landed.rejected.length;
      expect(landed.nextOffset - landed.expectedOffset).toBe(records + landed.skipped + landed.lost);
      [offset, token] = [landed.nextOffset, landed.token];
    }
    expect(offset).toBe(10);
  });

  it('takes it for the batch when it fails again and again while a probe succeeds', async () => {
    const store = scriptedStore((asked) =>
      asked.candidates.some(({ offset }) => offset === 2)
        ? new UnavailableError('store_unavailable', 'crashes')
        : committed,
    );
    const { options } = optionsFor(store);
    await commitBatch(options, request([0, 1, 2, 3]), never);
    expect(store.landed.flatMap((landed) => landed.rejected).map(({ offset }) => offset)).toEqual([2]);
  });

  it('knows the log again by the last record of each part', async () => {
    const store = scriptedStore((asked) =>
      asked.candidates.some(({ offset }) => offset === 1) ? new RejectedByStoreError('no') : committed,
    );
    const { options } = optionsFor(store);
    const whole = { ...request([0, 1, 2, 3, 4]), last: { offset: 4, hash: hashRecord(candidate(4).value) } };
    await commitBatch(options, whole, never);
    expect(store.landed.length).toBeGreaterThan(2);
    for (const { nextOffset, last } of store.landed) {
      expect(last).toEqual({ offset: nextOffset - 1, hash: hashRecord(candidate(nextOffset - 1).value) });
    }
  });

  it('bisects records that are none among events, each to its own side', async () => {
    const rejected = [1, 6].map((offset) => ({
      offset,
      code: 'invalid_json' as const,
      message: 'no',
      eventId: null,
      eventType: null,
      key: null,
      redriveOf: null,
      receivedAt: 1_000,
      value: Buffer.from('{'),
    }));
    const store = scriptedStore((asked) =>
      asked.candidates.some(({ offset }) => offset === 3) ? new RejectedByStoreError('no') : committed,
    );
    const { options } = optionsFor(store);
    const events = [0, 2, 3, 4, 5].map(candidate);
    await commitBatch(options, { ...request([0]), nextOffset: 7, candidates: events, rejected }, never);
    const offsets = (pick: (landed: CommitRequest) => readonly { readonly offset: number }[]) =>
      store.landed.flatMap((landed) => pick(landed).map(({ offset }) => offset));
    expect(offsets(({ candidates }) => candidates)).toEqual([0, 2, 4, 5]);
    expect(offsets(({ rejected }) => rejected)).toEqual([1, 3, 6]);
  });

  it('gives up at the first part that is fenced', async () => {
    const store = scriptedStore((asked) => (asked.candidates.length > 2 ? new RejectedByStoreError('no') : fenced));
    const { options } = optionsFor(store);
    expect(await commitBatch(options, request([0, 1, 2, 3]), never)).toBe('fenced');
    expect(store.calls.map(({ candidates }) => candidates.length)).toEqual([4, 2]);
  });

  it('keeps what a redriven record settles when it goes to the inbox again', async () => {
    const store = scriptedStore((asked) =>
      asked.candidates.length > 0 ? new RejectedByStoreError('too odd') : committed,
    );
    const { options } = optionsFor(store);
    const redriven = candidate(0);
    const event = { ...redriven.event, redriveOf: 'store:1:0:9', key: 'k' };
    await commitBatch(options, { ...request([0]), candidates: [{ ...redriven, event }] }, never);
    expect(store.landed[0]?.rejected).toMatchObject([
      { redriveOf: 'store:1:0:9', key: 'k', eventId: event.id, value: redriven.value, receivedAt: 1_000 },
    ]);
  });

  it('never takes it for an empty batch, which holds nothing that could be refused', async () => {
    const tries = limits.batchRetriesMax * 2;
    const store = scriptedStore((_request, call) =>
      call < tries ? new UnavailableError('store_unavailable', 'crashes') : committed,
    );
    const { options, told } = optionsFor(store);
    const empty = { ...request([5], 5), nextOffset: 5, candidates: [], last: null };
    expect(await commitBatch(options, empty, never)).toBe('committed');
    expect(told).not.toContain('partition.bisecting');
  });

  it('asks the store whether it is there only after enough tries, each after a longer pause', async () => {
    const store = scriptedStore((_request, call) =>
      call <= limits.batchRetriesMax ? new UnavailableError('store_unavailable', 'crashes') : committed,
    );
    const { options, told } = optionsFor(store);
    const pauses: number[] = [];
    await commitBatch(
      { ...options, random: () => 1, pause: async (ms) => void pauses.push(ms) },
      request([0, 1]),
      never,
    );
    expect(told).not.toContain('partition.bisecting');
    expect(pauses).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600]);
  });

  it('is never taken for the cause of what concerns all batches: a disk that fails, a table or a right that is not there', async () => {
    const store = scriptedStore((_request, call) =>
      call < 3 * limits.batchRetriesMax ? new UnavailableError('store_unusable', 'no such table') : committed,
    );
    const { options, told } = optionsFor(store);
    expect(await commitBatch(options, request([0, 1]), never)).toBe('committed');
    expect(told).not.toContain('partition.bisecting');
  });

  it('begins to count anew when the store was away in between', async () => {
    const store = scriptedStore((_request, call) => {
      if (call > limits.batchRetriesMax * 2) return committed;
      return new UnavailableError(call === limits.batchRetriesMax ? 'store_busy' : 'store_unavailable', 'crashes');
    });
    const { options, told } = optionsFor(store);
    await commitBatch(options, request([0, 1]), never);
    expect(told).not.toContain('partition.bisecting');
  });

  it('asks again within seconds while somebody else writes to the store, however long that lasts', async () => {
    const store = scriptedStore((_request, call) =>
      call < 20 ? new UnavailableError('store_busy', 'locked') : committed,
    );
    const { options } = optionsFor(store);
    const pauses: number[] = [];
    await commitBatch({ ...options, random: () => 1, pause: async (ms) => void pauses.push(ms) }, request([0]), never);
    expect(Math.max(...pauses)).toBe(limits.backoffBusyMaxMs);
  });

  it('does not hide a bug of the probe', async () => {
    const store = scriptedStore(() => new UnavailableError('store_unavailable', 'crashes'));
    store.probe = async () => {
      throw new TypeError('x is not a function');
    };
    const { options } = optionsFor(store);
    await expect(commitBatch(options, request([0]), never)).rejects.toThrow(TypeError);
  });

  it('never takes it for the batch while the probe fails too', async () => {
    const triesBeforeItIsBack = limits.batchRetriesMax * 3;
    const store = scriptedStore(
      (_request, call) => (call < triesBeforeItIsBack ? new UnavailableError('store_busy', 'away') : committed),
      true,
    );
    const { options } = optionsFor(store);
    expect(await commitBatch(options, request([0, 1]), never)).toBe('committed');
    expect(store.landed).toHaveLength(1);
    expect(store.landed[0]?.rejected).toEqual([]);
  });

  it.each(['store_busy', 'disk_full'] as const)(
    'never takes %s for the batch, though a small probe goes through',
    async (code) => {
      const triesBeforeItIsBack = limits.batchRetriesMax * 3;
      const store = scriptedStore((_request, call) =>
        call < triesBeforeItIsBack ? new UnavailableError(code, 'not now') : committed,
      );
      const { options } = optionsFor(store);
      expect(await commitBatch(options, request([0]), never)).toBe('committed');
      expect(store.landed).toMatchObject([{ token: 'whole', rejected: [] }]);
    },
  );

  it('never takes an outage for the batch because the probe succeeds once it is over', async () => {
    const triesBeforeItIsBack = limits.batchRetriesMax * 3;
    let tries = 0;
    const store = scriptedStore((_request, call) => {
      tries = call;
      return call <= triesBeforeItIsBack ? new UnavailableError('store_unavailable', 'away') : committed;
    });
    const probe = async () => {
      if (tries < triesBeforeItIsBack) throw new UnavailableError('store_unavailable', 'away');
    };
    const { options } = optionsFor({ ...store, probe });
    expect(await commitBatch(options, request([0]), never)).toBe('committed');
    expect(store.landed).toMatchObject([{ token: 'whole', rejected: [] }]);
  });

  it('throws what is none of the four kinds at once: a bug, never a failed event', async () => {
    const store = scriptedStore(() => new TypeError('x is not a function'));
    const { options } = optionsFor(store);
    await expect(commitBatch(options, request([0]), never)).rejects.toThrow(TypeError);
    expect(store.calls).toHaveLength(1);
  });

  it('throws when the store refuses even the inbox row', async () => {
    const { options } = optionsFor(scriptedStore(() => new RejectedByStoreError('nothing goes')));
    await expect(commitBatch(options, request([0]), never)).rejects.toThrow(/refuses an inbox row/);
  });

  it('ends a wait when it is aborted', async () => {
    const stop = new AbortController();
    const store = scriptedStore(() => {
      stop.abort(new Error('stopping'));
      return new UnavailableError('store_busy', 'away');
    });
    const { options } = optionsFor(store);
    await expect(commitBatch(options, request([0]), stop.signal)).rejects.toThrow('stopping');
  });
});
