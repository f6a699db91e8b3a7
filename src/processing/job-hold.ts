import type { Clocks } from '../domain/clocks.ts';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { Job, RedriveJobs } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

/**
 * A running job's place in the store. Each save is a sign of life: others end a job that they have not seen saved for
 * limits.jobAbandonedMs, and its claims with it. This side goes on for half of that, by a clock that nobody can set, so
 * a process that was frozen, or could not reach the store, asks before it does anything more.
 */
export interface JobHold {
  /**
   * One after another, so that what the job was can't be saved over what it has become. False: the store did not
   * answer.
   */
  save(state: Job['state']): Promise<boolean>;
  /** Resolves while the job's claims are surely its own. @throws Error with the reason that they may not be */
  assertHeld(): Promise<void>;
}

export interface JobHoldOptions extends Pick<Clocks, 'elapsed'> {
  readonly store: Pick<RedriveJobs, 'saveJob'>;
  readonly telemetry: Telemetry;
}

/** @param current the job as it is to be saved now */
export function createJobHold(
  { store, telemetry, elapsed }: JobHoldOptions,
  claimedAt: number,
  current: (state: Job['state']) => Job,
): JobHold {
  let heldUntil = claimedAt + limits.jobHeldMs;
  /** Others have ended it, or it has itself. */
  let isEnded = false;
  let saved: Promise<boolean> = Promise.resolve(true);

  async function saveOnce(state: Job['state']): Promise<boolean> {
    if (isEnded) return true;
    const askedAt = elapsed();
    try {
      const isSaved = await store.saveJob(current(state));
      isEnded = !isSaved || state !== 'running';
      heldUntil = askedAt + limits.jobHeldMs;
      return true;
    } catch (error) {
      if (error instanceof UnavailableError) return false;
      telemetry.emit('job.unsaved', { error: String(error) });
      return true;
    }
  }

  function save(state: Job['state']): Promise<boolean> {
    saved = saved.then(() => saveOnce(state));
    return saved;
  }

  return {
    save,
    async assertHeld() {
      if (elapsed() >= heldUntil) await save('running');
      if (isEnded) throw new Error('others have taken this process for dead and ended the job');
      if (elapsed() >= heldUntil) throw new Error('the store does not answer');
    },
  };
}
