import type { OffsetRange } from '../../domain/event.ts';
import { StartupError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { findReplacements } from '../../processing/claim-partition.ts';
import { findDamage } from '../../processing/find-damage.ts';
import type { Config } from '../config/config.ts';
import { withParts } from './offline.ts';

export interface GivingUp {
  readonly damaged: readonly DamagedRange[];
  /** Records in all that have no outcome yet. */
  readonly lost: number;
  readonly done: boolean;
}

export interface DamagedRange extends OffsetRange {
  readonly place: string;
  /** So many of them have no outcome yet. */
  readonly lost: number;
}

/**
 * Finds what of the log can't be read and, if it is confirmed, gives up what of that is not stored: the worker passes
 * it over and counts it as lost.
 *
 * @throws StartupError where a server holds the data directory, or there is nothing here to give up; UnavailableError
 */
export function giveUpDamaged(config: Config, isConfirmed: boolean): Promise<GivingUp> {
  return withParts(config, async (parts) => {
    if (parts.giveUp === null) {
      throw new StartupError('The log is in Kafka, which keeps copies of it: let another one lead the partition.');
    }
    const [log, store] = [await parts.log(), await parts.store()];
    const [replacement] = await findReplacements(log, store, storeConsumer);
    if (replacement !== undefined) throw new StartupError(`${replacement} First run: esp doctor`);
    const found = await findDamage(log, store, storeConsumer);
    const unsettled = found.flatMap((damage) => damage.unsettled ?? []);
    if (isConfirmed && unsettled.length > 0) await parts.giveUp(unsettled);
    return {
      damaged: found.map(({ unsettled, ...damage }) => ({ ...damage, lost: lengthOf(unsettled) })),
      lost: unsettled.reduce((sum, range) => sum + lengthOf(range), 0),
      done: isConfirmed && unsettled.length > 0,
    };
  });
}

function lengthOf(range: OffsetRange | null): number {
  return range === null ? 0 : range.to - range.from;
}
