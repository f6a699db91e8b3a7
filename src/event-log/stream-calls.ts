export function throwIfAny(error: Error | null): void {
  if (error !== null) throw error;
}

/** @param over why the stream is, once it is */
export function createStreamCalls<Reading>(readings: ReadonlyMap<number, Reading>, over: () => Error | null) {
  const busy = new Set<number>();

  /** A call about one partition, as any stream has to take it: of those it was opened for, one at a time. */
  return async function call<Result>(
    partition: number,
    signal: AbortSignal,
    work: (reading: Reading) => Promise<Result>,
  ): Promise<Result> {
    signal.throwIfAborted();
    throwIfAny(over());
    const reading = readings.get(partition);
    if (reading === undefined) throw new RangeError(`the stream was not opened for partition ${partition}`);
    if (busy.has(partition)) throw new Error(`partition ${partition} is being read already`);
    busy.add(partition);
    try {
      return await work(reading);
    } finally {
      busy.delete(partition);
    }
  };
}
