import { expect, it } from 'vitest';
import { groupReasons } from './reason-groups.ts';

it('keeps one sentence of a kind in sight, in the order they came', () => {
  const halted = (partition: number) => ({ code: 'log_replaced', message: `Partition ${partition} is halted.` });
  expect(groupReasons([halted(0), { code: 'disk_full', message: 'Make room.' }, halted(1), halted(2)])).toEqual([
    {
      code: 'log_replaced',
      first: 'Partition 0 is halted.',
      others: ['Partition 1 is halted.', 'Partition 2 is halted.'],
    },
    { code: 'disk_full', first: 'Make room.', others: [] },
  ]);
});

it('says the same sentence once', () => {
  const reason = { code: 'store_unavailable', message: 'The store does not answer.' };
  expect(groupReasons([reason, reason])).toEqual([
    { code: 'store_unavailable', first: 'The store does not answer.', others: [] },
  ]);
});
