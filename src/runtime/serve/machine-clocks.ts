import type { Clocks } from '../../domain/clocks.ts';

export const machineClocks: Clocks = { now: () => Date.now(), elapsed: () => performance.now() };
