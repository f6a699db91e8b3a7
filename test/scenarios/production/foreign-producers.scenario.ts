// Promise: whatever other programs put on the topic among 5,000 good events, by kcat, Java's console producer and
// transactional producers, compressed or not: exactly the poison is in the inbox, whole; what is an event is stored;
// aborted records and the markers of transactions count as `skipped`, also where a marker is the last thing on a
// partition; and the lag goes to nothing.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Producer } from '@platformatic/kafka';
import { expect, it, onTestFinished } from 'vitest';
import { encodeRecord } from '../../../src/domain/record-codec.ts';
import type { FailedEventDetail, FailedEventPage, LedgerView, MetricsView } from '../../../src/http/contract.ts';
import { eventsOf } from '../../../src/testing/event-store.batches.ts';
import { runKafkaTool } from '../../../src/testing/stack/kafka.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  type RunningServer,
  requireHere,
  runCommand,
  waitFor,
} from '../harness.ts';
import { createInstallation, type Installation } from './installation.ts';
import { createLoad } from './load.ts';

const goodEvents = 5_000;
const abortedRecords = 5;
const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const hasKcat = spawnSync('kcat', ['-V']).status === 0;

async function kcat({ env }: Installation, args: readonly string[], input = ''): Promise<string> {
  const common = ['kcat', '-b', env.KAFKA_BROKERS!, '-t', env.ESP_TOPIC!];
  const { code, stdout, stderr } = await runCommand([...common, ...args], { input });
  expect(code, stderr).toBe(0);
  return stdout;
}

/** @returns what it has put there that is no event */
async function putByKcat(installation: Installation, events: readonly string[]): Promise<string[]> {
  await kcat(installation, ['-P', '-p', '0'], 'no JSON at all\n{"event_type":"a"}\n');
  // A tombstone, as a compacted topic would have; an empty value; a key that is none of ours, and headers.
  await kcat(installation, ['-P', '-Z', '-K:'], 'key-of-a-tombstone:\n');
  await kcat(installation, ['-P', '-K:'], 'key-of-nothing:\n');
  await kcat(installation, ['-P', '-K:', '-H', 'trace=none'], '\u0000:[1,2]\n');
  for (const [index, codec] of codecs.entries()) {
    await kcat(installation, ['-P', '-z', codec], `${codec}?\n${events[index]}\n`);
  }
  return ['no JSON at all', '{"event_type":"a"}', '', '', '[1,2]', ...codecs.map((codec) => `${codec}?`)];
}

async function putByConsoleProducer({ env }: Installation, event: string): Promise<string[]> {
  const poison = ['not from a client of ours', '"a string"'];
  const connection = ['--bootstrap-server', env.KAFKA_BROKERS!, '--topic', env.ESP_TOPIC!];
  const lines = [...poison, event].map((line) => `${line}\n`).join('');
  await runKafkaTool('org.apache.kafka.tools.ConsoleProducer', [...connection, '--compression-codec', 'lz4'], lines);
  return poison;
}

async function putAndAbort({ env }: Installation): Promise<void> {
  const producer = new Producer({
    clientId: 'aborts',
    bootstrapBrokers: [env.KAFKA_BROKERS!],
    idempotent: true,
    transactionalId: `aborts-${env.ESP_TOPIC}`,
  });
  onTestFinished(() => producer.close(true));
  const transaction = await producer.beginTransaction();
  const value = Buffer.from('never to be read');
  const messages = Array.from({ length: abortedRecords }, () => ({ topic: env.ESP_TOPIC!, partition: 1, value }));
  await transaction.send({ messages });
  await transaction.abort();
}

/** By Java's own producer. Its marker comes last on the partition it writes to. */
async function putAndCommit({ env }: Installation): Promise<string[]> {
  const poison = 'poison in a transaction that was committed';
  const payloads = join(createTempDir('payloads'), 'payloads');
  writeFileSync(payloads, `${poison}\n`);
  await runKafkaTool('org.apache.kafka.tools.ProducerPerformance', [
    ...['--bootstrap-server', env.KAFKA_BROKERS!, '--topic', env.ESP_TOPIC!, '--payload-file', payloads],
    ...['--transactional-id', `commits-${env.ESP_TOPIC}`, '--num-records', '3', '--throughput', '-1'],
  ]);
  return [poison, poison, poison];
}

async function valuesInInbox(server: RunningServer): Promise<string[]> {
  const { failed_events: inbox } = await server.get<FailedEventPage>('/api/failed-events?limit=1000');
  const details = inbox.map(({ id }) => server.get<FailedEventDetail>(`/api/failed-events/${encodeURIComponent(id)}`));
  return (await Promise.all(details)).map(({ value }) => value!);
}

/** Of each partition, what kcat reads of it without regard to transactions: every offset but those of markers. */
async function offsetsWithData(installation: Installation): Promise<Map<number, number[]>> {
  const everything = ['-C', '-e', '-q', '-o', 'beginning', '-X', 'isolation.level=read_uncommitted', '-f', '%p %o\n'];
  const found = new Map<number, number[]>();
  for (const line of (await kcat(installation, everything)).trim().split('\n')) {
    const [partition, offset] = line.split(' ').map(Number);
    found.set(partition!, [...(found.get(partition!) ?? []), offset!]);
  }
  return found;
}

it('takes exactly the poison out, and accounts for every offset', async (context) => {
  requireHere(context, hasKcat, 'kcat');
  const installation = await createInstallation();
  const [api] = await Promise.all([installation.startApi(), installation.startWorker()]);
  const foreign = eventsOf(codecs.length + 1).map((event) => encodeRecord(event).toString());
  const load = createLoad(api.send);
  const sendAll = async () => {
    while (load.accepted.size < goodEvents) expect(await load.send(50)).toBe(202);
  };

  const [, ...poisoned] = await Promise.all([
    sendAll(),
    putByKcat(installation, foreign),
    putByConsoleProducer(installation, foreign.at(-1)!),
    putAndAbort(installation).then(() => []),
  ]);
  const poison = [...poisoned.flat(), ...(await putAndCommit(installation))];

  await waitFor('everything to be settled', async () => {
    const { stored, failed, in_flight } = await api.get<LedgerView>('/api/ledger');
    return in_flight === 0 && stored === goodEvents + foreign.length && failed === poison.length;
  });
  expect((await valuesInInbox(api)).sort()).toEqual(poison.sort());

  const data = await offsetsWithData(installation);
  const ledger = await expectEverythingAddsUp(api);
  const markers = ledger.partitions.map(({ partition, next_offset }) => next_offset - data.get(partition)!.length);
  expect(markers.reduce((sum, count) => sum + count)).toBeGreaterThan(1);
  expect(ledger.skipped).toBe(abortedRecords + markers.reduce((sum, count) => sum + count));
  const endsWithMarker = ledger.partitions.filter((row) => data.get(row.partition)!.at(-1)! < row.next_offset - 1);
  expect(endsWithMarker.length).toBeGreaterThan(0);

  expect((await api.get<MetricsView>('/api/metrics')).lag_seconds).toBe(0);
  await waitFor("the group's offsets to say so too", async () => {
    const { KAFKA_BROKERS: brokers, ESP_GROUP: group } = installation.env;
    const described = await runKafkaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
      ...['--bootstrap-server', brokers!, '--describe', '--group', group!],
    ]);
    const rows = described.split('\n').filter((line) => line.startsWith(group!));
    return rows.length === 4 && rows.every((line) => line.split(/\s+/)[5] === '0');
  });
});
