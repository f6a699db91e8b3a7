import { writerOf } from '../event-store/writer-of.ts';

/**
 * Who decodes a batch and who stores one, where a store has a few writers, each for the batches of some partitions:
 *
 *   acquire ──▶ one of the two slots of its writer ──▶ decoded, one batch at a time ──▶ stored, one of a writer at a time ──▶ release
 *
 * So while one batch of a writer is stored, the next is decoded. Batches that are decoded side by side are all ready at
 * one late moment, and until then the store has nothing to do; docs/performance-tried.md has what that was. What is
 * decoded lives as long as its transaction: the slots bound how much of it there is.
 */
export interface BatchSlots {
  /** Waits for a slot of the partition's writer. */
  acquire(partition: number): Promise<BatchSlot>;
}

export interface BatchSlot {
  /** Decodes when nobody else does that asks here: what is decoded in one piece need not. */
  decodeAlone<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Waits until nobody else stores over the same writer. */
  waitToStore(): Promise<void>;
  /**
   * Gives back everything that was acquired. A second time does nothing. A batch that waits for a store that is away
   * does so as well, and is tried again without: then everybody waits for the store, and not for a slot.
   */
  release(): void;
}

const slotsOfWriter = 2;

/** @param writers as the store has them */
export function createBatchSlots(writers: number): BatchSlots {
  const acquireDecoding = createPlaces(1);
  const ofWriter = Array.from({ length: writers }, () => ({
    acquireSlot: createPlaces(slotsOfWriter),
    acquireStoring: createPlaces(1),
  }));
  return {
    async acquire(partition) {
      const { acquireSlot, acquireStoring } = ofWriter[writerOf(partition, writers)]!;
      const acquired = [await acquireSlot()];
      return {
        async decodeAlone(work) {
          const release = await acquireDecoding();
          try {
            return await work();
          } finally {
            // First what was decoded is sent to the store: decoding keeps the thread, 500 records at a time.
            setImmediate(release);
          }
        },
        async waitToStore() {
          acquired.push(await acquireStoring());
        },
        release() {
          for (const release of acquired.splice(0)) release();
        },
      };
    },
  };
}

/** Places that are had in the order of asking. What asking for one answers gives it back, and is to be called once. */
function createPlaces(count: number): () => Promise<() => void> {
  const waiting: (() => void)[] = [];
  let free = count;
  return async () => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    return () => {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    };
  };
}

const noSlot: BatchSlot = {
  decodeAlone: (work) => work(),
  waitToStore: async () => undefined,
  release: () => undefined,
};

/** For a store that takes as many as there are. */
export const unlimitedSlots: BatchSlots = { acquire: async () => noSlot };
