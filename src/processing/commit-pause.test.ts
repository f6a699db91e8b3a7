import { expect, it } from 'vitest';
import { createTelemetry } from '../telemetry/telemetry.ts';
import { createCommitPause } from './commit-pause.ts';
import { pause } from './pause.ts';

const never = new AbortController().signal;
const batch = {
  ...{ partition: 0, records: 1, stored: 1, duplicate: 0, failed: 0, lost: 0, skipped: 0 },
  ...{ durationMs: 1, latencies: [], alreadyCommitted: false },
};

it('ends when a batch is told of', async () => {
  const telemetry = createTelemetry();
  const untilCommit = createCommitPause(telemetry, pause);
  const waits = [untilCommit(60_000, never), untilCommit(60_000, never)];
  telemetry.emit('batch.committed', batch);
  await Promise.all(waits);
});

it('ends after its time where nothing is told', async () => {
  const asked: number[] = [];
  const untilCommit = createCommitPause(createTelemetry(), async (ms) => void asked.push(ms));
  await untilCommit(25, never);
  expect(asked).toEqual([25]);
});

it('rejects when it is aborted', async () => {
  const stop = new AbortController();
  const wait = createCommitPause(createTelemetry(), pause)(60_000, stop.signal);
  stop.abort(new Error('over'));
  await expect(wait).rejects.toThrow('over');
});
