import pino, { type DestinationStream, type Level } from 'pino';
import type { Telemetry, TelemetryEventName } from './telemetry.ts';

export interface LogListenerOptions {
  readonly telemetry: Telemetry;
  readonly level: Level | 'silent';
  /** `json`: one object a line, for machines. `text`: one sentence a line, for a person at a terminal. */
  readonly format?: 'json' | 'text';
  /** Where lines go; standard output by default. */
  readonly destination?: DestinationStream;
}

/** How loud each event is. Nothing is logged per event that passes through: batches are at debug, requests at trace. */
export const logLevels: Readonly<Record<TelemetryEventName, Level>> = {
  'process.started': 'info',
  'process.unstarted': 'error',
  'process.exposed': 'warn',
  'process.stopping': 'info',
  'process.stopped': 'info',
  'part.waiting': 'warn',
  'part.opened': 'info',
  'part.away': 'warn',
  'part.back': 'info',
  'log.replaced': 'fatal',
  'log.recognised': 'info',
  'request.failed': 'error',
  'request.completed': 'trace',
  'overload.began': 'warn',
  'overload.ended': 'info',
  'request.shed': 'trace',
  'http_thread.ended': 'error',
  'ingest.appended': 'trace',
  'ingest.refused': 'debug',
  'append.failed': 'warn',
  'ingest.unconfirmed': 'debug',
  'ingest.rejected': 'debug',
  'worker.paused': 'warn',
  'worker.ended': 'fatal',
  'partition.claimed': 'debug',
  'partition.paused': 'warn',
  'partition.resumed': 'info',
  'partition.fenced': 'warn',
  'partition.halted': 'fatal',
  'partition.bisecting': 'warn',
  'gap.lost': 'error',
  'gap.skipped': 'info',
  'batch.committed': 'debug',
  'inbox.added': 'warn',
  'failed.published': 'debug',
  'failed.unpublished': 'warn',
  'maintenance.done': 'debug',
  'group.joined': 'info',
  'group.ended': 'info',
  'group.unavailable': 'warn',
  'clock.ahead': 'error',
  'clock.followed': 'info',
  'clock.set_back': 'warn',
  'log.cut_off': 'warn',
  'log.files_ignored': 'warn',
  'log.trimmed': 'debug',
  'log.untrimmed': 'warn',
  'metrics.rebuilt': 'debug',
  'metrics.unavailable': 'warn',
  'jobs.ended': 'warn',
  'job.unsaved': 'error',
  'jobs.unended': 'warn',
  'redrive.finished': 'info',
  'disk.full': 'error',
  'disk.recovered': 'info',
  'stop.failed': 'error',
  'listener.failed': 'error',
};

/** Writes every event of telemetry as a log line, at its level. The fields are the event's own. */
export function createLogListener({ telemetry, level, format = 'json', destination }: LogListenerOptions): void {
  const target = destination ?? pino.destination({ fd: 1, sync: true });
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    format === 'text' ? asText(target) : target,
  );
  for (const name of Object.keys(logLevels) as TelemetryEventName[]) {
    const at = logLevels[name];
    // What is below the level is not even listened to: request.completed comes 25,000 times a second.
    if (!logger.isLevelEnabled(at)) continue;
    telemetry.on(name, (payload) => logger[at](fieldsOf(name, payload), name));
  }
}

/** A batch's histogram is for metrics; in a log line it would be most of the line. */
function fieldsOf(name: TelemetryEventName, payload: object): object {
  if (name !== 'batch.committed' || !('latencies' in payload)) return payload;
  const { latencies: _, ...rest } = payload;
  return rest;
}

function asText(destination: DestinationStream): DestinationStream {
  return {
    write(line) {
      const { time, level, msg, pid: _, ...fields } = JSON.parse(line) as Record<string, unknown>;
      const rest = Object.entries(fields).map(
        ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
      destination.write(`${time} ${String(level).toUpperCase().padEnd(5)} ${msg}${rest.join('')}\n`);
    },
  };
}
