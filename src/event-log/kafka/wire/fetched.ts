import { DamagedError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import type { FetchedPartition } from '../protocol/record-messages.ts';
import { isAbortMarker, isPacked, type KafkaBatch, readBatches } from './decode-batch.ts';
import { BatchTooLargeError } from './unpack.ts';
import { type UnreadRecords, unreadRecords } from './unread-records.ts';

/** What of an answer to a fetch is about records. */
export type FetchedRecords = Pick<FetchedPartition, 'partition' | 'lastStableOffset' | 'aborted' | 'records'>;

/** What a fetch from an offset on has brought of one partition. */
export interface Fetched {
  /** Batch by batch, those that have any. */
  readonly records: readonly UnreadRecords[];
  /** Where to go on: one past everything that was looked at, control records and aborted transactions included. */
  readonly nextOffset: number;
  /** The partition's end for readers. */
  readonly end: number;
  /** To be called exactly once, as soon as nobody looks at any of the records any more. */
  readonly release: () => void;
}

const nothing = () => undefined;

const noBytes = Buffer.alloc(0);

/**
 * Takes the data of finished transactions and of no transaction. The broker names the aborted transactions that touch
 * what it sends, by producer and first offset; each ends at its abort marker. Of much that is packed it takes as many
 * batches as fill a partition's share. Where it comes to bytes that are no sound record batch it answers what lies
 * before them, so that the next fetch begins there.
 * @param from records below are left out: batches come whole
 * @param release of the bytes given: called at once where no record stands in them
 * @throws DamagedError where there is nothing before them
 */
export function readFetched(fetched: FetchedRecords, from: number, release: () => void = nothing): Fetched {
  const { partition, records: bytes } = fetched;
  const end = Number(fetched.lastStableOffset);
  const unread: UnreadRecords[] = [];
  let nextOffset = from;
  let unpackedBytes = 0;
  let standsInAnswer = false;
  const isAborted = followAborted(fetched);
  try {
    for (const batch of readBatches(bytes ?? noBytes)) {
      if (!isAborted(batch) && !batch.isControl) {
        const own = unreadRecords(batch, partition, from);
        if (own.count > 0) {
          unread.push(own);
          standsInAnswer ||= !isPacked(batch);
        }
        unpackedBytes += own.bytes;
      }
      nextOffset = Math.max(nextOffset, batch.lastOffset + 1);
      // What is packed may be a thousand times as much: the rest is fetched again when this is taken.
      if (unpackedBytes >= limits.kafkaPartitionBytesMax) break;
    }
  } catch (error) {
    if (nextOffset === from) throw damaged(partition, from, error);
  }
  if (standsInAnswer) return { records: unread, nextOffset, end, release };
  release();
  return { records: unread, nextOffset, end, release: nothing };
}

const withoutIt =
  'Every replica has the same. Delete the records of the partition up to there (kafka-delete-records) to go on without it: what is not ' +
  'stored of them is counted lost.';

/** How far it reaches is not known. Another replica may have it sound. */
function damaged(partition: number, from: number, error: unknown): DamagedError {
  const reason = error instanceof Error ? error.message : String(error);
  const message =
    `Partition ${partition}: the record at offset ${from} can't be read, Kafka sends ${reason}. ` +
    (error instanceof BatchTooLargeError
      ? withoutIt
      : 'Let a replica that is sound lead the partition: it goes on by itself then.');
  return new DamagedError({ partition, from, to: from + 1 }, 'Kafka', message, { cause: error });
}

/** Answers of one batch after another, in order, whether it belongs to an aborted transaction. */
function followAborted({ aborted }: FetchedRecords): (batch: KafkaBatch) => boolean {
  const upcoming = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const open = new Set<bigint>();
  return (batch) => {
    while (upcoming[0] !== undefined && upcoming[0].firstOffset <= batch.lastOffset)
      open.add(upcoming.shift()!.producerId);
    if (!batch.isTransactional || !open.has(batch.producerId)) return false;
    if (batch.isControl && isAbortMarker(batch)) open.delete(batch.producerId);
    return !batch.isControl;
  };
}
