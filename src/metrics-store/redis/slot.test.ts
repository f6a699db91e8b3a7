import { expect, it } from 'vitest';
import { slotOf } from './slot.ts';

// From the Redis Cluster specification and CLUSTER KEYSLOT.
it.each([
  ['123456789', 0x31c3],
  ['foo', 12_182],
  ['{user1000}.following', 3_443],
  ['{user1000}.followers', 3_443],
  ['foo{}{bar}', 8_363],
  ['foo{{bar}}zap', 4_015],
  ['foo{bar}{zap}', 5_061],
])('%s is in slot %i', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});
