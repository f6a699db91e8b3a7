import { limits } from '../domain/limits.ts';

/**
 * The partition of an event that nothing ties to one: it has no key, and an id that was made just now, so that no other record has it.
 * After Kafka's own sticky partitioner (KIP-480, KIP-794): a run of such events goes to one partition, the next run to the next, so
 * that partitions get equally many bytes. What arrives together then stands together: one record batch in the log, and one
 * transaction in the store, where there would be one a partition.
 */
export interface StickyPartitioner {
  /**
   * @param bytes of the record
   * @param partitions that there are now; they may get more
   */
  partitionFor(bytes: number, partitions: number): number;
  /**
   * What went to this partition was not confirmed: if it is the one of the run, the run is over. Its leader may be away, and few events
   * a second would all go to it for a long time.
   */
  leave(partition: number): void;
}

/** @param first any partition, so that processes that start together don't move on together */
export function createStickyPartitioner(first: number, runBytes: number = limits.stickyRunBytes): StickyPartitioner {
  let partition = first;
  let bytesLeft = runBytes;
  return {
    partitionFor(bytes, partitions) {
      if (bytesLeft <= 0) {
        partition += 1;
        bytesLeft = runBytes;
      }
      bytesLeft -= bytes;
      partition %= partitions;
      return partition;
    },
    leave(failed) {
      if (failed === partition) bytesLeft = 0;
    },
  };
}
