import type { Readiness } from '../../http/dependencies.ts';
import type { ClosedCode } from '../../ingest/ingest-answer.ts';
import type { PartsWatch } from '../../processing/parts-watch.ts';
import type { PartName } from '../../telemetry/telemetry.ts';
import type { WorkerStatus } from '../worker/worker-host.ts';

/**
 * What a process says of itself at /health/ready, with the command that mends it. A reason either stands in the way of
 * the process's own work, or tells of something else that is missing: then it is ready all the same, since whoever
 * sends it no more events for it would make things worse.
 */
export interface Reason {
  readonly code: string;
  readonly message: string;
  readonly isInTheWay: boolean;
  /** The one that it is about. */
  readonly partition?: number;
}

export function toReadiness(all: readonly Reason[]): Readiness {
  const isTold = new Set(all.filter(({ partition }) => partition !== undefined).map(({ code }) => code));
  // What a partition says more closely need not be said of the whole.
  const reasons = all.filter(({ code, partition }) => partition !== undefined || !isTold.has(code));
  return {
    ready: !reasons.some(({ isInTheWay }) => isInTheWay),
    reasons: reasons.map(({ code, message }) => ({ code, message })),
  };
}

export function closedReason(closed: ClosedCode | null, replaced: string | null): Reason[] {
  if (closed === 'shutting_down') return [{ code: closed, message: 'The server is stopping.', isInTheWay: true }];
  if (closed === 'disk_full') {
    const message = 'Free disk is below the floor: make room, or lower ESP_FREE_DISK_BYTES_MIN.';
    return [{ code: closed, message, isInTheWay: true }];
  }
  if (closed === 'log_replaced') return [{ code: closed, message: `${replaced} Run: esp doctor`, isInTheWay: true }];
  return [];
}

/**
 * What is not open yet, or does not answer any more.
 *
 * @param needed what the process can't do its work without; the rest is waited for
 */
export function awayReasons(
  opening: readonly (readonly [part: PartName, problem: string | null])[],
  away: ReadonlyMap<PartName, string>,
  needed: readonly PartName[],
): Reason[] {
  const problems = new Map(away);
  // More to the point than what a call to a part that is not open is told.
  for (const [part, problem] of opening) if (problem !== null) problems.set(part, problem);
  return [...problems].map(([part, message]) => ({
    code: `${part}_unavailable`,
    message,
    isInTheWay: needed.includes(part),
  }));
}

/** The worker of this process, which has all partitions to itself: without it half of the work is not done. */
export function soleWorkerReasons(status: WorkerStatus): Reason[] {
  const reasons = workerReasons(status);
  if (status.running && status.working.length === 0 && status.halted.size === 0) {
    const message = 'The worker has not claimed its partitions yet: the store does not answer.';
    reasons.push({ code: 'not_claimed', message, isInTheWay: true });
  }
  return reasons;
}

/** The worker in this process where there are, or could be, others: what it does not do, they do. */
export function oneWorkerReasons(status: WorkerStatus): Reason[] {
  return workerReasons(status)
    .filter(({ code }) => code !== 'log_replaced')
    .map((reason) => ({ ...reason, isInTheWay: false }));
}

export function workerReasons({ running, halted }: WorkerStatus): Reason[] {
  const down = { code: 'worker_down', message: 'The worker is being started again.', isInTheWay: true };
  const reasons: Reason[] = running ? [] : [down];
  for (const [partition, { reason, message }] of halted) {
    const sentence = `Partition ${partition} is halted: ${message} Run: esp doctor`;
    reasons.push({ code: reason, message: sentence, isInTheWay: true, partition });
  }
  return reasons;
}

/** A worker that has not got partitions yet, of which it may have none. */
export function joiningReasons(isOpening: boolean): Reason[] {
  // Then that is the reason.
  if (isOpening) return [];
  return [{ code: 'not_joined', message: 'The worker is joining its group.', isInTheWay: true }];
}

/** @param down threads that serve HTTP, and do not listen: others of the process do */
export function httpThreadReasons(down: number): Reason[] {
  if (down === 0) return [];
  const message = `Of the threads that serve HTTP, ${down} ${down === 1 ? 'does' : 'do'} not listen yet.`;
  return [{ code: 'http_threads_down', message, isInTheWay: false }];
}

/** Workers run elsewhere as well: what is known of them is what they do to the progress in the store. */
export function sharedWorkReasons(watch: Pick<PartsWatch, 'unclaimed' | 'idle'>): Reason[] {
  const reasons: Reason[] = [];
  const [unclaimed, idle] = [watch.unclaimed(), watch.idle()];
  if (unclaimed.length > 0) {
    const message = `No worker has claimed ${partitionsOf(unclaimed)} yet: start one with esp worker.`;
    reasons.push({ code: 'not_claimed', message, isInTheWay: false });
  }
  if (idle.length > 0) {
    const message = `Records wait in ${partitionsOf(idle)}, and nobody works on them: start a worker with esp worker, or look at the readiness of those that run.`;
    reasons.push({ code: 'not_worked_on', message, isInTheWay: false });
  }
  return reasons;
}

function partitionsOf(partitions: readonly number[]): string {
  return `partition${partitions.length > 1 ? 's' : ''} ${partitions.join(', ')}`;
}
