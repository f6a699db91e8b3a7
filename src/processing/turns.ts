/**
 * Who reads a batch and who stores one, where a store writes the batches of several partitions over a few connections: a lane is
 * one connection, and the partitions whose batches go over it.
 *
 *   take ──▶ one of the two places of its lane ──▶ read, one batch at a time ──▶ stored, one of a lane at a time ──▶ given back
 *
 * So while one batch of a lane is stored, the next is read. Batches that are read side by side are all ready at one late moment, and until
 * then the store has nothing to do; docs/performance.md has what that was. What is read lives as long as its transaction: the places bound how
 * much of it there is.
 */
export interface Turns {
  /** Waits for a place of the partition's lane. */
  take(partition: number): Promise<Turn>;
}

export interface Turn {
  /** Reads when nobody else does that asks here: what is read in one piece need not. */
  read<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Waits until nobody else of the lane stores. */
  toStore(): Promise<void>;
  /**
   * Everything that was taken. A second time does nothing. A batch that waits for a store that is away gives it back as well, and is tried
   * again without: then everybody waits for the store, and not for a turn.
   */
  giveBack(): void;
}

const placesOfLane = 2;

/** @param lanes partitions of one lane, `partition % lanes`, take turns; as the store has it */
export function createTurns(lanes: number): Turns {
  const takeReading = createPlaces(1);
  const ofLane = Array.from({ length: lanes }, () => ({
    takePlace: createPlaces(placesOfLane),
    takeStoring: createPlaces(1),
  }));
  return {
    async take(partition) {
      const { takePlace, takeStoring } = ofLane[partition % lanes]!;
      const taken = [await takePlace()];
      return {
        async read(work) {
          const giveBack = await takeReading();
          try {
            return await work();
          } finally {
            // First what was read is sent to the store: to read keeps the thread, 500 records at a time.
            setImmediate(giveBack);
          }
        },
        async toStore() {
          taken.push(await takeStoring());
        },
        giveBack() {
          for (const giveBack of taken.splice(0)) giveBack();
        },
      };
    },
  };
}

/** Places that are had in the order of asking. What taking one answers gives it back, and is to be called once. */
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

const noTurn: Turn = { read: (work) => work(), toStore: async () => undefined, giveBack: () => undefined };

/** For a store that takes as many as there are. */
export const noTurns: Turns = { take: async () => noTurn };
