import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  appendAll,
  joinGroup,
  longMs,
  numbered,
  openStream,
  plentiful,
  recordsFor,
  takeRecords,
} from '../../../testing/event-log.contract.harness.ts';
import { type KafkaLogHarness, makeKafkaLog } from '../../../testing/kafka-harness.ts';
import { freePort } from '../../../testing/stack/free-port.ts';
import { type KafkaServer, startKafka } from '../../../testing/stack/kafka.ts';
import { startProxy, type TcpProxy } from '../../../testing/stack/proxy.ts';
import { waitUntil } from '../../../testing/stack/wait-until.ts';
import type { EventLog, LogAssignment, LogConsumer } from '../../event-log.ts';

/** Short, so that a takeover need not be waited for. */
const sessionTimeoutMs = 2_000;

let proxy: TcpProxy;
let kafka: KafkaServer;
beforeAll(async () => {
  const port = await freePort();
  proxy = await startProxy({ targetPort: port });
  const settings = { 'group.min.session.timeout.ms': 1_000 };
  kafka = await startKafka({ port, advertisedPort: proxy.port, settings });
});
afterAll(async () => {
  await kafka?.dispose();
  await proxy?.close();
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function topicOf(partitions: number): Promise<KafkaLogHarness> {
  const harness = await makeKafkaLog(kafka.brokers, { partitions, directBrokers: kafka.directBrokers });
  closing.push(() => harness.dispose());
  return harness;
}

/** A member in a process of its own, and what it has said. */
async function spawnMember({ topic, group }: KafkaLogHarness): Promise<{ child: ChildProcess; said: string[] }> {
  const script = new URL('../../../testing/kafka-member.process.ts', import.meta.url).pathname;
  const args = [script, kafka.brokers, topic, group, String(sessionTimeoutMs)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  createInterface(child.stdout!).on('line', (line) => said.push(line));
  const exited = once(child, 'exit');
  closing.push(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  await waitUntil('the member', () => said.some((line) => line.startsWith('assigned')));
  return { child, said };
}

const lastAssigned = (said: readonly string[]) => said.findLast((line) => line.startsWith('assigned'))?.split(' ')[1];

/** Collects assignments as they come; the newest that has not ended. */
function follow(consumer: LogConsumer): { readonly given: LogAssignment[]; present(): readonly number[] } {
  const given: LogAssignment[] = [];
  void (async () => {
    for await (const assignment of consumer.assignments()) given.push(assignment);
  })();
  return {
    given,
    present() {
      const newest = given.at(-1);
      return newest === undefined || newest.ended.aborted ? [] : newest.partitions;
    },
  };
}

/** What a store does: progress that only the owner of a partition moves on, by compare and set. */
function sharedProgress(partitions: number) {
  const progress = Array.from({ length: partitions }, () => ({ next: 0, owner: 0 }));
  const taken: string[][] = Array.from({ length: partitions }, () => []);
  return {
    taken,
    claim: (partition: number) => ({ owner: ++progress[partition]!.owner, next: progress[partition]!.next }),
    commit(partition: number, owner: number, from: number, texts: readonly string[], next: number): boolean {
      const row = progress[partition]!;
      if (row.owner !== owner || row.next !== from) return false;
      row.next = next;
      taken[partition]!.push(...texts);
      return true;
    },
  };
}

/** A worker in small: claims what it is assigned, reads from where the progress is, commits. Ends with its consumer. */
async function work(log: EventLog, progress: ReturnType<typeof sharedProgress>): Promise<LogConsumer> {
  const consumer = await log.join();
  void (async () => {
    for await (const { partitions, ended, open } of consumer.assignments()) {
      const claims = new Map(partitions.map((partition) => [partition, progress.claim(partition)]));
      try {
        const stream = await open(new Map([...claims].map(([partition, { next }]) => [partition, next])));
        const loops = [...claims].map(async ([partition, { owner, next }]) => {
          for (let from = next; ; ) {
            const { records, acknowledge } = await stream.next(partition, plentiful, longMs, ended);
            const to = records.at(-1)!.offset + 1;
            expect(records[0]!.offset).toBe(from);
            const texts = records.map(({ value }) => Buffer.from(value).toString());
            if (!progress.commit(partition, owner, from, texts, to)) return;
            from = to;
            acknowledge(to);
          }
        });
        await Promise.allSettled(loops);
        await stream.close();
      } catch {
        // It ended before it was opened.
      }
    }
  })();
  return consumer;
}

describe('members of a group', () => {
  it('come and go under load: no record is lost, none is taken twice, each partition keeps its order', async () => {
    const { open } = await topicOf(4);
    const log = await open();
    const progress = sharedProgress(4);
    const total = 3_000;
    let appended = 0;
    const appending = (async () => {
      while (appended < total) {
        const texts = [0, 1, 2, 3].flatMap((partition) =>
          recordsFor(partition, numbered(`${partition}/${appended}`, 10)),
        );
        await appendAll(log, texts);
        appended += 10;
      }
    })();
    const takenBy = (count: number) =>
      waitUntil('records', () => progress.taken[0]!.length >= count, { timeoutMs: 60_000 });
    const first = await work(await open(), progress);
    await takenBy(200);
    const second = await work(await open(), progress);
    await takenBy(700);
    const third = await work(await open(), progress);
    await takenBy(1_200);
    await first.close();
    await takenBy(1_700);
    await third.close();
    await work(await open(), progress);
    await takenBy(2_200);
    await second.close();
    await appending;
    await waitUntil('all records', () => progress.taken.every(({ length }) => length >= total), { timeoutMs: 60_000 });
    for (const [partition, texts] of progress.taken.entries()) {
      const expected = Array.from({ length: total / 10 }, (_, call) => numbered(`${partition}/${call * 10}`, 10));
      expect(texts).toEqual(expected.flat());
    }
  });

  it('share the partitions evenly, and one has none where there are too few', async () => {
    const { open } = await topicOf(2);
    const members: ReturnType<typeof follow>[] = [];
    for (let nth = 0; nth < 3; nth += 1) members.push(follow(await (await open()).join()));
    const shares = () => members.map((member) => member.present().length).sort();
    await waitUntil('an even share', () => shares().join() === '0,1,1');
    await waitUntil(
      'each partition once',
      () =>
        members
          .flatMap((member) => member.present())
          .sort()
          .join() === '0,1',
    );
    const idle = members.find((member) => member.present().length === 0)!;
    await idle.given.at(-1)!.confirm();
  });

  it('that are killed lose their partitions to the others when their session is over', async () => {
    const harness = await topicOf(4);
    const { child, said } = await spawnMember(harness);
    expect(lastAssigned(said)).toBe('0,1,2,3');
    const log = await harness.open({ sessionTimeoutMs });
    const member = follow(await log.join());
    await waitUntil('half of them', () => member.present().length === 2);
    child.kill('SIGKILL');
    await waitUntil('all of them', () => member.present().length === 4);
  });

  it('that stand still past their session are expelled, hear of it, and come back', async () => {
    const harness = await topicOf(4);
    const { child, said } = await spawnMember(harness);
    const log = await harness.open({ sessionTimeoutMs });
    const member = follow(await log.join());
    await waitUntil('half of them', () => member.present().length === 2);
    await waitUntil('the other half', () => lastAssigned(said)?.split(',').length === 2);
    const heard = said.length;
    child.kill('SIGSTOP');
    await waitUntil('all of them', () => member.present().length === 4);
    child.kill('SIGCONT');
    await waitUntil('half of them again', () => member.present().length === 2);
    await waitUntil('the other half again', () => said.slice(heard).some((line) => line.startsWith('assigned')));
    expect(said.slice(heard).filter((line) => !line.startsWith('read'))[0]).toBe('ended');
    // It reads again what is appended now.
    const partition = Number(lastAssigned(said)!.split(',')[0]);
    const [position] = await log.append(recordsFor(partition, ['to the one that came back']));
    await waitUntil('the record', () => said.includes(`read ${partition} ${position!.offset}`));
  });

  it('that leave give their partitions up at once', async () => {
    const { open } = await topicOf(4);
    const slow = { sessionTimeoutMs: 60_000 };
    const leaving = await (await open(slow)).join();
    const staying = follow(await (await open(slow)).join());
    await waitUntil('half of them', () => staying.present().length === 2);
    await leaving.close();
    await waitUntil('all of them', () => staying.present().length === 4);
  });

  it('may not be told that they own what the group has given away', async () => {
    const { open } = await topicOf(2);
    const { assignment, stream } = await openStream(await open({ heartbeatMs: 30_000, sessionTimeoutMs: 60_000 }));
    await assignment.confirm();
    const joining = (await open()).join();
    // The group waits for it, and no heartbeat is due: it is told because it asks.
    await waitUntil('a refusal', async () => {
      return assignment.confirm().then(
        () => false,
        () => true,
      );
    });
    expect(assignment.ended.aborted).toBe(true);
    await stream.close();
    await joining;
  });
});

describe('a broker', () => {
  /** Ingest answers after five seconds; a broker may be silent for ever. */
  const appendsInTime = 10_000;

  it('that is killed and comes back past the session finds everybody working again', async () => {
    const { open } = await topicOf(2);
    const log = await open({ sessionTimeoutMs });
    await log.append(recordsFor(0, ['before']));
    const consumer = await log.join();
    const assignments = consumer.assignments()[Symbol.asyncIterator]();
    const first = (await assignments.next()).value!;
    const stream = await first.open(new Map([[0, 0]]));
    await takeRecords(stream, 0, 1);
    await kafka.kill();

    const begun = performance.now();
    await expect(log.append(recordsFor(0, ['meanwhile']))).rejects.toMatchObject({ name: 'UnavailableError' });
    expect(performance.now() - begun).toBeLessThan(appendsInTime);
    await expect(log.describe()).rejects.toMatchObject({ name: 'UnavailableError' });
    await expect(stream.next(0, plentiful, longMs, first.ended)).rejects.toMatchObject({ code: 'assignment_ended' });
    await stream.close();

    await kafka.start();
    const [position] = await append(log, 'after');
    const second = (await assignments.next()).value!;
    const again = await second.open(new Map([[0, position!.offset]]));
    expect((await takeRecords(again, 0, 1))[0]).toMatchObject(position!);
    await second.confirm();
    expect((await log.describe()).partitions[0]).toMatchObject({ start: 0, end: position!.offset + 1 });
  });

  it('that is silent past the session finds everybody working again', async () => {
    const { open } = await topicOf(2);
    const log = await open({ sessionTimeoutMs });
    const consumer = await log.join();
    const assignments = consumer.assignments()[Symbol.asyncIterator]();
    const first = (await assignments.next()).value!;
    const stream = await first.open(new Map([[0, 0]]));
    const waiting = stream.next(0, plentiful, longMs, first.ended).catch((error: Error) => error);
    kafka.suspend();
    try {
      const begun = performance.now();
      await expect(log.append(recordsFor(0, ['into the hole']))).rejects.toMatchObject({ code: 'log_timeout' });
      expect(performance.now() - begun).toBeLessThan(appendsInTime);
      expect(await waiting).toMatchObject({ code: 'assignment_ended' });
      await stream.close();
    } finally {
      kafka.resume();
    }
    const [position] = await append(log, 'after');
    const second = (await assignments.next()).value!;
    const again = await second.open(new Map([[0, position!.offset]]));
    expect((await takeRecords(again, 0, 1))[0]).toMatchObject(position!);
  });

  it('behind a network that is silent for less than the session leaves streams as they are', async () => {
    const { open } = await topicOf(1);
    const log = await open({ sessionTimeoutMs: 60_000 });
    const { assignment, stream } = await openStream(log);
    await log.append(recordsFor(0, ['before']));
    await takeRecords(stream, 0, 1);
    proxy.hole();
    try {
      await expect(log.append(recordsFor(0, ['into the hole']))).rejects.toMatchObject({ code: 'log_timeout' });
    } finally {
      proxy.heal();
    }
    const [position] = await append(log, 'after');
    // What was sent into the hole may have come out of it.
    const offsets = (await takeRecords(stream, 0, position!.offset)).map(({ offset }) => offset);
    expect(offsets).toEqual(Array.from({ length: position!.offset }, (_, nth) => nth + 1));
    await assignment.confirm();
    expect(assignment.ended.aborted).toBe(false);
  });

  it('behind a network that cuts connections loses nothing and reads nothing twice', async () => {
    const { open } = await topicOf(2);
    const log = await open({ sessionTimeoutMs: 60_000 });
    const { stream } = await openStream(await open({ sessionTimeoutMs: 60_000 }));
    const seen: [number, string][][] = [[], []];
    const reading = [0, 1].map(async (partition) => {
      while (seen[partition]!.at(-1)?.[1] !== 'last') {
        const { records } = await stream.next(partition, plentiful, longMs, new AbortController().signal);
        for (const { offset, value } of records) seen[partition]!.push([offset, Buffer.from(value).toString()]);
      }
    });
    const answered: string[] = [];
    for (let call = 0; call < 60; call += 1) {
      if (call % 10 === 5) proxy.cut();
      const texts = numbered(`call ${call}`, 5);
      await appendAll(log, [...recordsFor(0, texts), ...recordsFor(1, texts)]);
      answered.push(...texts);
    }
    await appendAll(log, [...recordsFor(0, ['last']), ...recordsFor(1, ['last'])]);
    await Promise.all(reading);
    for (const records of seen) {
      expect(records.map(([offset]) => offset)).toEqual(records.map((_, nth) => nth));
      // An append that was cut off goes again, so some may stand there twice: by their first appearance, all are in
      // order.
      expect([...new Set(records.map(([, text]) => text))]).toEqual([...answered, 'last']);
    }
  });

  it('that is silent lets a member leave, and a log close, all the same', async () => {
    const { open } = await topicOf(1);
    const log = await open({ sessionTimeoutMs });
    const { stream } = await openStream(log);
    proxy.hole();
    try {
      const pending = stream.next(0, plentiful, longMs, new AbortController().signal).catch((error: Error) => error);
      const begun = performance.now();
      await log.close();
      expect(performance.now() - begun).toBeLessThan(appendsInTime);
      expect(await pending).toMatchObject({ name: 'UnavailableError' });
    } finally {
      proxy.heal();
    }
    // The member that could not say goodbye does not keep another out for longer than its session.
    await joinGroup(await open());
  });

  /** A client tries again while it is told that Kafka is away. */
  async function append(log: EventLog, text: string) {
    for (;;) {
      try {
        return await log.append(recordsFor(0, [text]));
      } catch (error) {
        expect(error).toMatchObject({ name: 'UnavailableError' });
      }
    }
  }
});
