import type { OffsetRange } from '../../domain/event.ts';
import type { EventLog } from '../../event-log/event-log.ts';
import type { EventStore } from '../../event-store/event-store.ts';
import type { MetricsStore } from '../../metrics-store/metrics-store.ts';

/** What a command opens by itself: each part when it is asked for, and once. */
export interface CommandParts {
  log(): Promise<EventLog>;
  /** Lets the log's readers pass over damage. Null where that is not this program's to do. */
  readonly giveUp: ((ranges: readonly OffsetRange[]) => Promise<void>) | null;
  store(): Promise<EventStore>;
  /** Null where metrics live in the server's memory. */
  metrics(): Promise<MetricsStore> | null;
  close(): Promise<void>;
}

export function createCommandParts<Log extends EventLog>(open: {
  readonly log: () => Promise<Log>;
  readonly giveUp: ((log: Log, ranges: readonly OffsetRange[]) => Promise<void>) | null;
  readonly store: () => Promise<EventStore>;
  readonly metrics: (() => Promise<MetricsStore>) | null;
  /** After everything that was opened is closed. */
  readonly end: () => Promise<void>;
}): CommandParts {
  const opened: Promise<{ close(): Promise<void> }>[] = [];

  function once<Part extends { close(): Promise<void> }>(openPart: () => Promise<Part>): () => Promise<Part> {
    let part: Promise<Part> | null = null;
    return () => {
      if (part === null) {
        part = openPart();
        opened.push(part);
      }
      return part;
    };
  }

  const metrics = open.metrics === null ? null : once(open.metrics);
  const log = once(open.log);
  const { giveUp } = open;
  return {
    log,
    giveUp: giveUp === null ? null : async (ranges) => giveUp(await log(), ranges),
    store: once(open.store),
    metrics: () => metrics?.() ?? null,
    async close() {
      for (const { value } of (await Promise.allSettled(opened)).toReversed().filter(isOpen)) await value.close();
      await open.end();
    },
  };
}

function isOpen<Part>(result: PromiseSettledResult<Part>): result is PromiseFulfilledResult<Part> {
  return result.status === 'fulfilled';
}
