import { limits } from '../../../domain/limits.ts';
import { recordBytesMax } from '../../../domain/record-codec.ts';
import { batchHeaderBytes } from '../wire/encode-batch.ts';

/**
 * What a topic must be like so that the program's promises hold on it, and what it had better be like. One place for
 * what `esp topics create` sets and for what `esp doctor` finds.
 */
export type TopicRole = 'events' | 'failed';

export interface TopicFacts {
  readonly name: string;
  readonly role: TopicRole;
  /** Brokers of the cluster. */
  readonly brokers: number;
  readonly partitions: number;
  /** Copies of each partition; the smallest number where they differ. */
  readonly replication: number;
  /** Copies that are up to date, of the partition that has fewest. */
  readonly inSync: number;
  readonly leaderless: number;
  /** The topic's settings as they are in force, defaults included; null where they may not be looked at. */
  readonly settings: Readonly<Record<string, string>> | null;
  /** How long the store keeps rows; null: for ever. */
  readonly rowsKeptMs: number | null;
}

/** `wrong`: a promise does not hold on this topic. `weak`: it holds, but for less than it could. */
export interface TopicFinding {
  readonly topic: string;
  readonly level: 'wrong' | 'weak';
  readonly what: string;
  readonly mend: string;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** A broker looks for what to delete so often, and deletes whole segments. */
const retentionCheckMs = 5 * minuteMs;
const segmentMsMin = 10 * minuteMs;
const segmentMsMax = 6 * hourMs;
/** A retention is made of so many segments, so that a record goes soon after its time. */
const segmentsPerRetention = 28;
/** Kafka's own default: every client takes records of this size. */
const eventsMessageBytes = 1_048_588;
/** A failed record is one of the events topic, of any size it takes, with headers. */
const failedMessageBytes = 2 * 1024 * 1024;
const failedHeaderBytes = 64 * 1024;
const replicationWanted = 3;

export function replicationFor(brokers: number): number {
  return Math.min(replicationWanted, brokers);
}

/** How long the topic keeps records where nobody says: as the embedded log, and never longer than rows are kept. */
export function retentionFor(rowsKeptMs: number | null): number {
  const wanted = limits.logRetentionMs;
  if (rowsKeptMs === null) return wanted;
  const room = (retentionMs: number) => retentionMs + segmentFor(retentionMs) + retentionCheckMs;
  let retentionMs = Math.min(wanted, rowsKeptMs - retentionCheckMs - segmentMsMin);
  while (room(retentionMs) > rowsKeptMs) retentionMs -= room(retentionMs) - rowsKeptMs;
  return Math.floor(retentionMs);
}

export function segmentFor(retentionMs: number): number {
  return Math.floor(Math.min(segmentMsMax, Math.max(segmentMsMin, retentionMs / segmentsPerRetention)));
}

/** What the topic is made with. */
export function settingsFor(role: TopicRole, retentionMs: number, replication: number): Record<string, string> {
  return {
    'cleanup.policy': 'delete',
    'retention.ms': String(retentionMs),
    'retention.bytes': '-1',
    'segment.ms': String(segmentFor(retentionMs)),
    'min.insync.replicas': replication >= replicationWanted ? '2' : '1',
    'unclean.leader.election.enable': 'false',
    'max.message.bytes': String(role === 'events' ? eventsMessageBytes : failedMessageBytes),
    // The broker's clock: what a producer claims must not keep a record for ever, or have it deleted at once.
    'message.timestamp.type': 'LogAppendTime',
  };
}

/** The settings that the rules look at. */
export const settingsLookedAt = Object.keys(settingsFor('events', limits.logRetentionMs, 1));

export function judgeTopic(facts: TopicFacts): TopicFinding[] {
  const { settings } = facts;
  const found = judgeCopies(facts);
  if (settings === null) {
    found.push(finding(facts, 'weak', 'its settings may not be looked at', 'allow DescribeConfigs on it'));
    return found;
  }
  return [...found, ...judgeRetention(facts, settings), ...judgeSettings(facts, settings)];
}

function finding(facts: TopicFacts, level: TopicFinding['level'], what: string, mend: string): TopicFinding {
  return { topic: facts.name, level, what, mend };
}

function judgeCopies(facts: TopicFacts): TopicFinding[] {
  const { brokers, replication, inSync, leaderless, settings } = facts;
  const found: TopicFinding[] = [];
  if (leaderless > 0) {
    found.push(
      finding(facts, 'wrong', `${leaderless} partitions have no leader now`, 'start the brokers that are away'),
    );
  }
  const inSyncMin = settings === null ? null : Number(settings['min.insync.replicas']);
  if (inSyncMin !== null && inSync < inSyncMin) {
    const what = `${inSync} copies are up to date and min.insync.replicas is ${inSyncMin}: nothing can be appended`;
    const mend = replication < inSyncMin ? `set min.insync.replicas=${replication}` : 'start the brokers that are away';
    found.push(finding(facts, 'wrong', what, mend));
  } else if (inSync < replication) {
    const what = `a partition has ${inSync} copies up to date, of ${replication}`;
    found.push(finding(facts, 'weak', what, 'start the brokers that are away'));
  }
  if (replication < replicationFor(brokers)) {
    const what = `${replication} copies of each partition, though there are ${brokers} brokers`;
    found.push(finding(facts, 'weak', what, 'give it more copies with kafka-reassign-partitions'));
  }
  if (replication > 1 && inSyncMin === 1) {
    const what = 'min.insync.replicas is 1: an event counts as taken with one copy, which may be lost with its broker';
    const ofTwo =
      'add a third broker; or set min.insync.replicas=2, and nothing can be appended while one of the two is away';
    found.push(finding(facts, 'weak', what, replication === 2 ? ofTwo : 'set min.insync.replicas=2'));
  }
  return found;
}

function judgeRetention(facts: TopicFacts, settings: Readonly<Record<string, string>>): TopicFinding[] {
  const found: TopicFinding[] = [];
  const policy = settings['cleanup.policy'] ?? '';
  if (policy !== 'delete') {
    const what = `cleanup.policy is ${policy}: compaction removes records that nobody has read yet`;
    found.push(finding(facts, facts.role === 'events' ? 'wrong' : 'weak', what, 'set cleanup.policy=delete'));
  }
  if (facts.role === 'failed') return found;
  const retentionMs = Number(settings['retention.ms']);
  const keptMs = retentionMs < 0 ? Number.POSITIVE_INFINITY : retentionMs + Number(settings['segment.ms']);
  const { rowsKeptMs } = facts;
  if (rowsKeptMs !== null && keptMs + retentionCheckMs > rowsKeptMs) {
    const wanted = retentionFor(rowsKeptMs);
    const what =
      `it keeps records for ${inWords(keptMs)} (retention.ms and segment.ms), but rows are kept for ${inWords(rowsKeptMs)} ` +
      '(ESP_RETENTION_DAYS): a record that outlives its row could be stored a second time';
    const mend = `set retention.ms=${wanted} and segment.ms=${segmentFor(wanted)}, or raise ESP_RETENTION_DAYS`;
    found.push(finding(facts, 'wrong', what, mend));
  }
  if (retentionMs >= 0 && retentionMs < dayMs && (rowsKeptMs === null || rowsKeptMs > 2 * dayMs)) {
    const what = `it keeps records for ${inWords(retentionMs)}: workers that are down longer lose events`;
    found.push(finding(facts, 'weak', what, 'raise retention.ms'));
  }
  if (Number(settings['retention.bytes']) >= 0) {
    const what = `retention.bytes is ${settings['retention.bytes']}: under load, records may go before they are read`;
    found.push(finding(facts, 'weak', what, 'set retention.bytes=-1'));
  }
  return found;
}

function judgeSettings(facts: TopicFacts, settings: Readonly<Record<string, string>>): TopicFinding[] {
  const found: TopicFinding[] = [];
  if (settings['unclean.leader.election.enable'] === 'true' && facts.replication > 1) {
    const what =
      'unclean.leader.election.enable is true: a leader may be chosen that lacks events which were answered 202';
    found.push(finding(facts, 'wrong', what, 'set unclean.leader.election.enable=false'));
  }
  const bytes = Number(settings['max.message.bytes']);
  const bytesMin =
    facts.role === 'events' ? recordBytesMax + 2 * batchHeaderBytes : eventsMessageBytes + failedHeaderBytes;
  if (bytes < bytesMin) {
    const what = `max.message.bytes is ${bytes}: a large record, of up to ${bytesMin} bytes, would be refused`;
    const wanted = settingsFor(facts.role, limits.logRetentionMs, 1)['max.message.bytes'];
    found.push(finding(facts, facts.role === 'events' ? 'wrong' : 'weak', what, `set max.message.bytes=${wanted}`));
  }
  if (facts.role === 'events' && settings['message.timestamp.type'] !== 'LogAppendTime') {
    const what = 'message.timestamp.type is CreateTime: any producer decides how long its records are kept';
    found.push(finding(facts, 'weak', what, 'set message.timestamp.type=LogAppendTime'));
  }
  return found;
}

/** What an answered 202 rests on, for a person. */
export function durabilityOf({ replication, settings }: TopicFacts): string {
  const later = 'since Kafka writes to disk a little later';
  if (replication === 1) {
    return `One broker has each event: it survives a crash of that broker, not the loss of its disk, and a power cut may take the newest, ${later}.`;
  }
  const copies = Math.min(replication, Number(settings?.['min.insync.replicas'] ?? 1));
  const held = copies === 1 ? 'at least one broker has' : `at least ${copies} of ${replication} brokers have`;
  return `When an event is answered 202, ${held} it; a power cut of all brokers at once may take the newest, ${later}.`;
}

function inWords(ms: number): string {
  if (!Number.isFinite(ms)) return 'ever';
  if (ms >= 2 * dayMs) return `${Math.round((ms / dayMs) * 10) / 10} days`;
  return ms >= 2 * hourMs ? `${Math.round((ms / hourMs) * 10) / 10} hours` : `${Math.round(ms / minuteMs)} minutes`;
}
