// Promise: what network-holes.scenario.ts promises holds for silences of 30 seconds, longer than every deadline and the
// session of a worker.
import { it } from 'vitest';
import { networkHoles } from './network-holes.ts';

it('of half a minute', { timeout: 600_000 }, () => networkHoles({ silentMs: 30_000, isTogether: false }));
