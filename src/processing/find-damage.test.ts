import { expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { claimOf } from '../testing/event-store.batches.ts';
import { scriptedLog } from '../testing/scripted-log.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { findDamage } from './find-damage.ts';

const place = 'a file';

it('finds every damage, tells what of it is not stored, and leaves the group', async () => {
  const [log, store] = [scriptedLog(3), await temporaryStore()];
  for (const partition of [0, 1, 2]) for (let n = 0; n < 10; n++) log.put(partition);
  for (const offset of [0, 3, 4, 9]) log.damage(0, offset);
  log.damage(2, 5);
  // Partition 0 is stored up to 4; nobody has claimed partition 2.
  await store.claim(claimOf(0, 4));
  expect(await findDamage(log, store, storeConsumer)).toEqual([
    { partition: 0, from: 0, to: 1, place, unsettled: null },
    { partition: 0, from: 3, to: 4, place, unsettled: null },
    { partition: 0, from: 4, to: 5, place, unsettled: { partition: 0, from: 4, to: 5 } },
    { partition: 0, from: 9, to: 10, place, unsettled: { partition: 0, from: 9, to: 10 } },
    { partition: 2, from: 5, to: 6, place, unsettled: { partition: 2, from: 5, to: 6 } },
  ]);
  expect(log.journal.at(-1)).toBe('leave');
});

it('finds nothing in a log that is sound, or empty, or was trimmed', async () => {
  const [log, store] = [scriptedLog(2), await temporaryStore()];
  for (let n = 0; n < 5; n++) log.put(0);
  log.damage(0, 1);
  await log.trim(0, 2);
  expect(await findDamage(log, store, storeConsumer)).toEqual([]);
});
