import { backoffAfter } from '../domain/backoff.ts';
import { RejectedByStoreError, type UnavailableCode, UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { CommitRequest, WriteSet } from '../event-store/batch.ts';
import type { CommitResult, EventWriter } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { rejectCandidate, splitBatch } from './build-batch.ts';
import { decideBatch } from './decide-batch.ts';

export interface CommitOptions {
  readonly store: Pick<EventWriter, 'commit' | 'probe'>;
  readonly telemetry: Telemetry;
  readonly freshToken: () => string;
  readonly random: () => number;
  /** Rejects with the signal's reason when aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Told of every transaction that landed, in order: a bisected batch lands in several. */
  readonly onCommitted: (
    request: CommitRequest,
    written: WriteSet | null,
    alreadyCommitted: boolean,
  ) => Promise<void> | void;
}

export type CommitOutcome = 'committed' | 'fenced';

/** Each costs another try of the whole batch; one that holds more of what the store refuses is cheaper bisected. */
const namedRefusalsMax = 8;

/**
 * Brings one batch into the store, whatever it takes: a store that is away is waited for (the same batch under the same
 * token, so that a commit whose answer was lost is recognised); of a batch that holds what the store refuses, the
 * record that the store names goes to the inbox, and where it names none the batch is bisected until the one record is
 * known.
 *
 * @throws the signal's reason when aborted while waiting; anything else that is thrown is a bug.
 */
export async function commitBatch(
  options: CommitOptions,
  request: CommitRequest,
  signal: AbortSignal,
  named = 0,
): Promise<CommitOutcome> {
  const attempted = await tryUntilKnown(options, request, signal);
  if (attempted.kind === 'fenced') return 'fenced';
  if (attempted.kind === 'committed') {
    await options.onCommitted(request, attempted.written, attempted.alreadyCommitted);
    return 'committed';
  }

  const refused = request.candidates.find(({ offset }) => offset === attempted.offset);
  if (refused !== undefined && named < namedRefusalsMax) {
    const rest = rejectCandidate(request, refused, options.freshToken, attempted.reason);
    return commitBatch(options, rest, signal, named + 1);
  }
  const records = request.candidates.length + request.rejected.length;
  options.telemetry.emit('partition.bisecting', {
    partition: request.partition,
    records,
    reason: attempted.reason,
  });
  if (records > 1) {
    return commitHalves(options, request, signal);
  }
  const [only] = request.candidates;
  if (only === undefined) {
    throw new Error(`The store refuses an inbox row of partition ${request.partition}: ${attempted.reason}`);
  }
  return commitBatch(options, rejectCandidate(request, only, options.freshToken, attempted.reason), signal);
}

async function commitHalves(
  options: CommitOptions,
  request: CommitRequest,
  signal: AbortSignal,
): Promise<CommitOutcome> {
  const [first, second] = splitBatch(request, options.freshToken);
  // The first half may land in several parts, each under a token of its own: the second follows the last of them.
  let previousToken = first.token;
  const onCommitted: CommitOptions['onCommitted'] = (done, written, alreadyCommitted) => {
    previousToken = done.token;
    return options.onCommitted(done, written, alreadyCommitted);
  };
  const outcome = await commitBatch({ ...options, onCommitted }, first, signal);
  return outcome === 'fenced' ? outcome : commitBatch(options, { ...second, previousToken }, signal);
}

interface Refused {
  readonly kind: 'refused';
  readonly reason: string;
  /** Of the record that the store names. */
  readonly offset: number | null;
}

async function tryUntilKnown(
  options: CommitOptions,
  request: CommitRequest,
  signal: AbortSignal,
): Promise<CommitResult | Refused> {
  const { store, telemetry } = options;
  const { partition } = request;
  let suspicions = 0;
  for (let attempt = 0; ; attempt += 1) {
    let attempted = await tryOnce(store, request);
    if (attempted instanceof UnavailableError) {
      // In a row, each right after a failure: a store that has just come back must not cost a good event its place.
      suspicions = (await isSuspect(store, request, attempted)) ? suspicions + 1 : 0;
      if (suspicions <= limits.batchRetriesMax) {
        const retryInMs = backoffAfter(attempted, attempt, options.random());
        telemetry.emit('partition.paused', { partition, reason: attempted.message, retryInMs, attempt });
        await options.pause(retryInMs, signal);
        continue;
      }
      attempted = { kind: 'refused', reason: attempted.message, offset: null };
    }
    // Whatever it says: the store was waited for, and is no longer.
    if (attempt > 0) telemetry.emit('partition.resumed', { partition });
    return attempted;
  }
}

async function tryOnce(
  store: Pick<EventWriter, 'commit'>,
  request: CommitRequest,
): Promise<CommitResult | Refused | UnavailableError> {
  try {
    return await store.commit(request, decideBatch);
  } catch (error) {
    if (error instanceof RejectedByStoreError) return { kind: 'refused', reason: error.message, offset: error.offset };
    if (error instanceof UnavailableError) return error;
    throw error;
  }
}

/** What no batch can be the cause of, however large the probe finds the room that is left. */
const storeWideCodes: ReadonlySet<UnavailableCode> = new Set(['store_busy', 'store_unusable', 'disk_full']);

/** The store is there, yet this batch fails: if that happens again and again, it is the batch. */
async function isSuspect(
  store: Pick<EventWriter, 'probe'>,
  request: CommitRequest,
  { code }: UnavailableError,
): Promise<boolean> {
  const hasRecords = request.candidates.length + request.rejected.length > 0;
  return hasRecords && !storeWideCodes.has(code) && (await probeSucceeds(store));
}

async function probeSucceeds(store: Pick<EventWriter, 'probe'>): Promise<boolean> {
  try {
    await store.probe();
    return true;
  } catch (error) {
    if (error instanceof UnavailableError) return false;
    throw error;
  }
}
