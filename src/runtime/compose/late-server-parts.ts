import type { EventLog } from '../../event-log/event-log.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { refuse } from '../../ingest/refuse.ts';
import type { MetricsStore } from '../../metrics-store/metrics-store.ts';
import { callsOf, type LatePart } from './late-part.ts';

// Ports over parts that may not be open yet, where they have more than asynchronous functions.

/** Ingest, made once the log is open. Until then nothing is taken. */
export function lateIngest(log: LatePart<EventLog>, make: (log: EventLog) => Ingest): Ingest {
  let ingest: Ingest | null = null;
  log.opened.then(
    (open) => {
      ingest = make(open);
    },
    () => undefined,
  );
  return {
    submit(request) {
      if (ingest !== null) return ingest.submit(request);
      const reason = log.problem() ?? 'The log is being opened.';
      return Promise.resolve(refuse('log_unavailable', `${reason} Nothing of this request was taken: send it again.`));
    },
    queue: () => ingest?.queue() ?? { records: 0, bytes: 0 },
    drain: async () => ingest?.drain(),
  };
}

export function lateLog(late: LatePart<EventLog>): EventLog {
  const calls = callsOf(late);
  return {
    get partitions() {
      return late.current().partitions;
    },
    get lanes() {
      return late.current().lanes;
    },
    laneOf: (partition) => late.current().laneOf(partition),
    append: calls.append,
    trim: calls.trim,
    describe: calls.describe,
    recordAt: calls.recordAt,
    examineGap: calls.examineGap,
    join: calls.join,
    close: () => late.close(),
  };
}

export function lateMetrics(late: LatePart<MetricsStore>): MetricsStore {
  const calls = callsOf(late);
  return {
    apply: calls.apply,
    watermark: calls.watermark,
    rebuild: calls.rebuild,
    read: calls.read,
    recent: calls.recent,
    readPartition: calls.readPartition,
    subscribe(listener) {
      let isOver = false;
      let stop: (() => void) | null = null;
      late.opened.then(
        (store) => {
          if (!isOver) stop = store.subscribe(listener);
        },
        () => undefined,
      );
      return () => {
        isOver = true;
        stop?.();
      };
    },
    close: () => late.close(),
  };
}
