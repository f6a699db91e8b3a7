// Promise: what killed-worker.scenario.ts promises holds for 200,000 events.
import { it } from 'vitest';
import { workersComeAndGo } from './workers-come-and-go.ts';

it('keeps 200,000 events once while workers come and go', { timeout: 1_200_000 }, () => workersComeAndGo(200_000));
