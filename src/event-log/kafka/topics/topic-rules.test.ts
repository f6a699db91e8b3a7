import { describe, expect, it } from 'vitest';
import {
  durabilityOf,
  judgeTopic,
  replicationFor,
  retentionFor,
  segmentFor,
  settingsFor,
  type TopicFacts,
  type TopicRole,
} from './topic-rules.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** A topic as the program makes it on three brokers, but for what a case changes. */
function topic(
  changes: Partial<TopicFacts> & {
    readonly changed?: Readonly<Record<string, string>>;
    readonly role?: TopicRole;
  } = {},
): TopicFacts {
  const { changed = {}, role = 'events', ...facts } = changes;
  const replication = facts.replication ?? 3;
  const settings = { ...settingsFor(role, retentionFor(facts.rowsKeptMs ?? null), replication), ...changed };
  return {
    name: role,
    role,
    brokers: 3,
    partitions: 8,
    replication,
    inSync: replication,
    leaderless: 0,
    settings,
    rowsKeptMs: null,
    ...facts,
  };
}

describe('the rules for topics', () => {
  it.each([1, 2, 3, 7])('find nothing in what the program makes itself on %d brokers', (brokers) => {
    for (const rowsKeptMs of [null, 400 * dayMs, 30 * dayMs, 7 * dayMs, dayMs, hourMs]) {
      for (const role of ['events', 'failed'] as const) {
        const found = judgeTopic(topic({ role, brokers, replication: replicationFor(brokers), rowsKeptMs }));
        // Who keeps rows for two days or less wants the log short.
        expect(found.filter(({ level }) => level === 'wrong')).toEqual([]);
        if (brokers !== 2) expect(found, `${rowsKeptMs} ${role}`).toEqual([]);
      }
    }
  });

  it.each<[string, Parameters<typeof topic>[0], 'wrong' | 'weak', RegExp]>([
    ['compaction', { changed: { 'cleanup.policy': 'compact,delete' } }, 'wrong', /compaction removes/],
    ['records for ever, rows not', { rowsKeptMs: 30 * dayMs, changed: { 'retention.ms': '-1' } }, 'wrong', /for ever/],
    [
      'records that outlive their rows',
      { rowsKeptMs: 7 * dayMs, changed: { 'retention.ms': String(7 * dayMs) } },
      'wrong',
      /second time/,
    ],
    [
      'records that outlive their rows by a segment',
      { rowsKeptMs: 8 * dayMs, changed: { 'retention.ms': String(7 * dayMs), 'segment.ms': String(7 * dayMs) } },
      'wrong',
      /14 days .* 8 days/,
    ],
    ['unclean leaders', { changed: { 'unclean.leader.election.enable': 'true' } }, 'wrong', /answered 202/],
    ['room for small events only', { changed: { 'max.message.bytes': '100000' } }, 'wrong', /would be refused/],
    [
      'more copies wanted than there are',
      { brokers: 1, replication: 1, changed: { 'min.insync.replicas': '2' } },
      'wrong',
      /nothing can/,
    ],
    ['copies that are away', { inSync: 1 }, 'wrong', /1 copies are up to date and min.insync.replicas is 2/],
    ['leaders that are away', { leaderless: 2 }, 'wrong', /2 partitions have no leader/],
    ['one copy is enough', { changed: { 'min.insync.replicas': '1' } }, 'weak', /lost with its broker/],
    ['few copies for many brokers', { replication: 1 }, 'weak', /1 copies of each partition, though there are 3/],
    ['a copy that is behind', { inSync: 2 }, 'weak', /2 copies up to date, of 3/],
    ['records that go by size', { changed: { 'retention.bytes': '1000000' } }, 'weak', /before they are read/],
    ['records that go too soon', { changed: { 'retention.ms': String(hourMs) } }, 'weak', /60 minutes: workers/],
    ['time as producers say', { changed: { 'message.timestamp.type': 'CreateTime' } }, 'weak', /any producer decides/],
    ['settings that are hidden', { settings: null }, 'weak', /may not be looked at/],
    [
      'failed events that do not fit',
      { role: 'failed', changed: { 'max.message.bytes': '1048588' } },
      'weak',
      /refused/,
    ],
    ['failed events compacted', { role: 'failed', changed: { 'cleanup.policy': 'compact' } }, 'weak', /compaction/],
  ])('find %s', (_, changes, level, what) => {
    const found = judgeTopic(topic(changes));
    expect(found).toEqual([
      { topic: changes?.role ?? 'events', level, what: expect.stringMatching(what), mend: expect.any(String) },
    ]);
  });

  it('say what to set so that it would be right', () => {
    const rowsKeptMs = 2 * dayMs;
    const [finding] = judgeTopic(topic({ rowsKeptMs, changed: { 'retention.ms': '-1' } }));
    const changed = Object.fromEntries(
      [...finding!.mend.matchAll(/([a-z.]+)=(\d+)/g)].map(([, name, value]) => [name!, value!]),
    );
    expect(Object.keys(changed)).toEqual(['retention.ms', 'segment.ms']);
    expect(judgeTopic(topic({ rowsKeptMs, changed }))).toEqual([]);
  });

  it('keep records no longer than rows, whatever rows are kept for', () => {
    expect(retentionFor(null)).toBe(7 * dayMs);
    for (let rowsKeptMs = hourMs; rowsKeptMs < 400 * dayMs; rowsKeptMs *= 1.37) {
      const retentionMs = retentionFor(rowsKeptMs);
      expect(retentionMs + segmentFor(retentionMs)).toBeLessThan(rowsKeptMs);
      expect(retentionMs).toBeGreaterThan(Math.min(6 * dayMs, rowsKeptMs / 2));
    }
  });

  it('say what an answer rests on', () => {
    expect(durabilityOf(topic({ replication: 1 }))).toMatch(/^One broker has each event: it survives a crash/);
    expect(durabilityOf(topic())).toMatch(/at least 2 of 3 brokers have it/);
    expect(durabilityOf(topic({ changed: { 'min.insync.replicas': '1' } }))).toMatch(/at least one broker has it/);
  });
});
