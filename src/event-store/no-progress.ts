import type { ClaimRequest, PartitionProgress } from './event-store.ts';

/**
 * What `claim` answers where the current log has another id than the one asked for, and no progress of this partition:
 * nothing is written, epoch 0 can commit nothing, and the caller sees the other id.
 */
export function noProgressOn(
  logNo: number,
  logId: string,
  { consumer, partition, logStart }: Pick<ClaimRequest, 'consumer' | 'partition' | 'logStart'>,
): PartitionProgress {
  return {
    consumer,
    logNo,
    partition,
    logId,
    base: logStart,
    nextOffset: logStart,
    last: null,
    ownerEpoch: 0,
    commitToken: '',
    outcomes: { stored: 0, duplicate: 0, failed: 0, lost: 0, skipped: 0 },
    pruned: 0,
  };
}
