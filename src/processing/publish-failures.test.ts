import { expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { EventStore } from '../event-store/event-store.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { claimOf, commitBatch, rejectedOf } from '../testing/event-store.batches.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { pause } from './pause.ts';
import { createFailurePublisher, type FailurePublisher } from './publish-failures.ts';

/** A publisher over a real store, and a topic that does as the test says. */
async function setUp(wrapped: Partial<EventStore> = {}) {
  const store = await temporaryStore();
  const published: string[] = [];
  const before: { publish?: () => Promise<void> | void } = {};
  const unpublished: TelemetryEvents['failed.unpublished'][] = [];
  const telemetry = createTelemetry();
  telemetry.on('failed.unpublished', (payload) => unpublished.push(payload));

  function start(): FailurePublisher {
    const publisher = createFailurePublisher({
      store: { ...store, ...wrapped },
      topic: {
        async publish(records) {
          await before.publish?.();
          published.push(...records.map(({ headers }) => headers['inbox-id']!));
        },
      },
      originTopic: 'events',
      consumer: storeConsumer,
      telemetry,
      random: () => 0.5,
      pause: (_ms, signal) => pause(0, signal),
    });
    onTestFinished(() => publisher.stop());
    return publisher;
  }

  async function fail(count: number, partition = 0): Promise<void> {
    const records = Array.from({ length: count }, () => rejectedOf());
    await commitBatch(store, await store.claim(claimOf(partition)), records);
  }

  return { store, start, fail, published, before, unpublished };
}

const idsOf = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `store:1:0:${from + n}`);

it('publishes what is in the inbox once, in order, in as many goes as it takes', async () => {
  const { start, fail, published } = await setUp();
  const count = limits.publishRecordsMax * 2 + 3;
  await fail(count);
  const publisher = start();
  publisher.notice(0);
  await expect.poll(() => published).toEqual(idsOf(count));
  publisher.notice(0);
  await fail(1);
  publisher.notice(0);
  await expect.poll(() => published).toEqual(idsOf(count + 1));
});

it('begins nothing for a partition that nobody has told it of', async () => {
  const { start, fail, published } = await setUp();
  await fail(1, 1);
  await fail(1);
  start().notice(0);
  await expect.poll(() => published).toEqual(['store:1:0:0']);
});

it('goes on where the last one was when it died, and repeats only what was not yet marked', async () => {
  const { store, start, fail, published } = await setUp();
  await fail(3);
  await store.markPublished(storeConsumer, { logNo: 1, partition: 0, offset: 1 });
  start().notice(0);
  await expect.poll(() => published).toEqual(['store:1:0:2']);
});

it('tries again until the topic takes it, and says so', async () => {
  const { start, fail, published, before, unpublished } = await setUp();
  let refusals = 3;
  before.publish = () => {
    if (refusals-- > 0) throw new UnavailableError('log_unavailable', 'no leader');
  };
  await fail(2);
  start().notice(0);
  await expect.poll(() => published).toEqual(idsOf(2));
  expect(unpublished.map(({ attempt }) => attempt)).toEqual([0, 1, 2]);
  expect(unpublished[0]).toMatchObject({ partition: 0, reason: expect.stringContaining('no leader') });
});

it('publishes again what could not be marked', async () => {
  let refusals = 1;
  const { store, start, fail, published } = await setUp({
    async markPublished(consumer, position) {
      if (refusals-- > 0) throw new UnavailableError('store_unavailable', 'away');
      await store.markPublished(consumer, position);
    },
  });
  await fail(2);
  start().notice(0);
  await expect.poll(() => published).toEqual([...idsOf(2), ...idsOf(2)]);
});

it('leaves a released partition to its next owner, and takes it up again when it comes back', async () => {
  const { start, fail, published, before } = await setUp();
  await fail(limits.publishRecordsMax + 1);
  const [began, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  before.publish = () => {
    began.resolve();
    return gate.promise;
  };
  const publisher = start();
  publisher.notice(0);
  await began.promise;
  publisher.release(0);
  gate.resolve();
  await expect.poll(() => published.length).toBe(limits.publishRecordsMax);
  await publisher.stop();
  expect(published).toHaveLength(limits.publishRecordsMax);

  start().notice(0);
  await expect.poll(() => published.length).toBe(limits.publishRecordsMax + 1);
});

it('waits at a stop for what is under way, and begins nothing more', async () => {
  const { start, fail, published, before } = await setUp();
  await fail(limits.publishRecordsMax + 1);
  const [began, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  before.publish = () => {
    began.resolve();
    return gate.promise;
  };
  const publisher = start();
  publisher.notice(0);
  await began.promise;
  const stopped = publisher.stop().then(() => published.length);
  publisher.notice(0);
  gate.resolve();
  expect(await stopped).toBe(limits.publishRecordsMax);
});
