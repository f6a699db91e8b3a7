/**
 * Promise: two workers that hold one partition never count a record twice. The one that was paused between building its
 * batch and its transaction is fenced when it wakes; and a commit whose answer was lost is recognised, not repeated.
 */
import { expect, it } from 'vitest';
import { UnavailableError } from '../../src/domain/failure.ts';
import { storeConsumer } from '../../src/domain/inbox.ts';
import { encodeRecord } from '../../src/domain/record-codec.ts';
import type { CommitResult, EventStore } from '../../src/event-store/event-store.ts';
import { createWorld, type WorkerHooks, type World } from './generated/world.ts';
import { createSeededRandom, createTempDir, waitFor } from './harness.ts';

const noHooks: WorkerHooks = { wrap: (store) => store, atPoint: async () => undefined };

function records(world: World, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const id = `0190a3f0-0000-7000-8000-${String(index).padStart(12, '0')}`;
    const event = { id, eventType: 'order.placed', clientId: null, source: null, key: null, occurredAt: null };
    const value = encodeRecord({ ...event, receivedAt: world.now(), redriveOf: null, payloadJson: `{"n":${index}}` });
    return { key: id, value };
  });
}

async function expectEachStoredOnce(world: World, count: number): Promise<void> {
  const { store, metrics } = world.parts();
  expect(await world.ledger()).toMatchObject({ appended: count, stored: count, duplicate: 0, balanced: true });
  expect(await store.verify(storeConsumer)).toEqual([]);
  const { allTime } = await metrics.read('1h', world.now());
  expect(allTime.total).toBe(count);
}

it('fences the worker that wakes late', async () => {
  const world = await createWorld(createTempDir('fenced'), createSeededRandom());
  await world.append(records(world, 60));

  const built = Promise.withResolvers<void>();
  const wake = Promise.withResolvers<void>();
  const lateResults: CommitResult['kind'][] = [];
  const late = world.startWorker({
    wrap: (store): EventStore => ({
      ...store,
      async commit(request, decide) {
        const result = await store.commit(request, decide);
        lateResults.push(result.kind);
        return result;
      },
    }),
    async atPoint(point) {
      if (point !== 'built') return;
      built.resolve();
      await wake.promise;
    },
  });
  const lateRun = late.run();
  await built.promise;

  const successor = world.startWorker(noHooks);
  const successorRun = successor.run();
  await waitFor('the second worker to store everything', () => world.isDone());

  wake.resolve();
  await waitFor('the late worker to try its commit', () => lateResults.length > 0);
  await late.stop();
  await successor.stop();
  await Promise.all([lateRun, successorRun]);

  expect(new Set(lateResults)).toEqual(new Set(['fenced']));
  await expectEachStoredOnce(world, 60);
  await world.close();
});

it('recognises a commit whose answer was lost', async () => {
  const world = await createWorld(createTempDir('lost-answer'), createSeededRandom());
  await world.append(records(world, 60));

  const answers: boolean[] = [];
  let lost = 0;
  const worker = world.startWorker({
    ...noHooks,
    wrap: (store): EventStore => ({
      ...store,
      async commit(request, decide) {
        const result = await store.commit(request, decide);
        if (result.kind === 'committed') answers.push(result.alreadyCommitted);
        // Every other answer is lost after it landed.
        if (answers.length % 2 === 1) {
          lost += 1;
          throw new UnavailableError('store_unavailable', 'the connection broke after COMMIT');
        }
        return result;
      },
    }),
  });
  const run = worker.run();
  await waitFor('everything to be stored', () => world.isDone());
  // The last lost answer is asked for again only after what it told of is stored.
  await waitFor('every lost answer to be recognised', () => answers.filter((already) => already).length === lost);
  await worker.stop();
  await run;

  expect(lost).toBeGreaterThan(0);
  await expectEachStoredOnce(world, 60);
  await world.close();
});
