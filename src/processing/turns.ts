/**
 * Who builds and commits a batch, where a store writes the batches of several partitions one after another: each waits for its turn
 * before it is built. What is built lives as long as its transaction, so this bounds how much of it there is at a time.
 */
export interface Turns {
  /** Waits for the partition's turn. What it answers gives the turn back; a second time does nothing. */
  take(partition: number): Promise<() => void>;
}

/** @param lanes partitions of one lane, `partition % lanes`, take turns; as the store has it */
export function createTurns(lanes: number): Turns {
  const lastOf = new Map<number, Promise<void>>();
  return {
    async take(partition) {
      const lane = partition % lanes;
      const before = lastOf.get(lane);
      const { promise, resolve } = Promise.withResolvers<void>();
      lastOf.set(lane, promise);
      await before;
      return resolve;
    },
  };
}

/** For a store that takes as many as there are. */
export const noTurns: Turns = { take: async () => () => undefined };
