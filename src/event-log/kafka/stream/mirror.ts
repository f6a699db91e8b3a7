/**
 * Copies how far the partitions are done into the group's offsets, for tools that show lag. Nothing is read from there.
 * One commit under way at a time, at most one each `everyMs`, never lower than before; one that fails goes again with
 * the next.
 */
export interface OffsetMirror {
  acknowledge(partition: number, nextOffset: number): void;
  /** Commits what is left, and no more after that. Never rejects. */
  close(): Promise<void>;
}

export function createOffsetMirror(
  commit: (offsets: ReadonlyMap<number, number>) => Promise<boolean>,
  everyMs: number,
): OffsetMirror {
  const known = new Map<number, number>();
  const due = new Map<number, number>();
  let timer: NodeJS.Timeout | null = null;
  let committing: Promise<void> = Promise.resolve();
  let closing: Promise<void> | null = null;

  function schedule(): void {
    if (closing !== null || timer !== null || due.size === 0) return;
    timer = setTimeout(() => {
      committing = flush().then(() => {
        timer = null;
        schedule();
      });
    }, everyMs);
    timer.unref();
  }

  async function flush(): Promise<void> {
    const offsets = new Map(due);
    due.clear();
    if (offsets.size === 0) return;
    const isTaken = await commit(offsets).catch(() => false);
    if (isTaken) return;
    for (const [partition, offset] of offsets) due.set(partition, Math.max(offset, due.get(partition) ?? 0));
  }

  return {
    acknowledge(partition, nextOffset) {
      if (nextOffset <= (known.get(partition) ?? -1)) return;
      known.set(partition, nextOffset);
      due.set(partition, nextOffset);
      schedule();
    },
    close() {
      if (timer !== null) clearTimeout(timer);
      closing ??= committing.then(flush);
      return closing;
    },
  };
}
