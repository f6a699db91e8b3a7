/**
 * Who builds and commits a batch, where a store writes the batches of several partitions one after another: each waits for its turn
 * before it is built. What is built lives as long as its transaction, so this bounds how much of it there is at a time.
 */
export interface Turns {
  /**
   * Waits for the partition's turn. What it answers gives the turn back; a second time does nothing.
   *
   * @param isLast the batch has all that is left of its partition: it goes ahead of those that leave a backlog behind, so that a
   *   lone event does not wait for a batch of every partition that has one
   */
  take(partition: number, isLast: boolean): Promise<() => void>;
}

/** @param lanes partitions of one lane, `partition % lanes`, take turns; as the store has it */
export function createTurns(lanes: number): Turns {
  const all = Array.from({ length: lanes }, createLane);
  return { take: (partition, isLast) => all[partition % lanes]!.take(isLast) };
}

function createLane() {
  const last: (() => void)[] = [];
  const others: (() => void)[] = [];
  let isTaken = false;
  /** Whoever has been overtaken goes next: however many lone events there are, a backlog has every other turn. */
  let wasOvertaken = false;

  function passOn(): void {
    const overtakes = last.length > 0 && others.length > 0 && !wasOvertaken;
    const next = (overtakes || others.length === 0 ? last : others).shift();
    wasOvertaken = overtakes;
    if (next === undefined) isTaken = false;
    else next();
  }

  return {
    async take(isLast: boolean): Promise<() => void> {
      if (isTaken) await new Promise<void>((resolve) => (isLast ? last : others).push(resolve));
      isTaken = true;
      let isGivenBack = false;
      return () => {
        if (isGivenBack) return;
        isGivenBack = true;
        passOn();
      };
    },
  };
}

/** For a store that takes as many as there are. */
export const noTurns: Turns = { take: async () => () => undefined };
