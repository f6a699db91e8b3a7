import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { ByteReader, encode, type ValueOf } from '../protocol/codec.ts';
import { assignment, groupProtocolVersion, subscription } from '../protocol/group-messages.ts';
import type { Message } from '../protocol/message.ts';
import { protocol } from '../protocol/protocol.ts';
import type { Brokers } from '../wire/brokers.ts';
import { codes, isPassing, refused } from '../wire/errors.ts';
import type { BrokerLink } from '../wire/link.ts';
import type { Endpoint } from '../wire/settings.ts';
import { pause, retryPauseMs } from '../wire/wait.ts';

export interface GroupSettings {
  readonly group: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly rebalanceTimeoutMs: number;
}

export interface Membership {
  readonly memberId: string;
  readonly generationId: number;
  readonly partitions: readonly number[];
  /** How many partitions the leader has shared out; null where another member leads. */
  readonly partitionsShared: number | null;
}

export interface NotJoined {
  readonly errorCode: number;
  /** Who it is to the group, where it got so far. */
  readonly memberId?: string;
}

/**
 * What a member says to its group's coordinator, in the classic protocol of consumer groups: there the member itself
 * says after what silence it is given up, and so how soon another takes over; in the newer one (KIP-848) that is a
 * setting of the broker, 45 s as it comes. Each call answers Kafka's error code, or throws UnavailableError when the
 * coordinator can't be asked.
 */
export interface Coordinator {
  /** Joins and waits for the others. Goes on as `memberId`, or as a new member where that is empty. */
  join(memberId: string, countPartitions: () => Promise<number>): Promise<Membership | NotJoined>;
  heartbeat(membership: Membership, timeoutMs: number): Promise<number>;
  commit(membership: Membership, offsets: ReadonlyMap<number, number>): Promise<number>;
  leave(memberId: string): Promise<number>;
  close(): void;
}

/** Ours alone: a member that shares partitions out in another way can't join the group by mistake. */
const assignorName = 'esp-even';
const protocolType = 'consumer';
/** Not of a transaction. */
const ofGroup = 0;
/** Beyond the time the group waits for its members. */
const joinMarginMs = 2_000;

export function createCoordinator(brokers: Brokers, settings: GroupSettings): Coordinator {
  const { group, topic } = settings;
  let link: BrokerLink | null = null;
  let isClosed = false;

  async function located(): Promise<BrokerLink> {
    if (link !== null) return link;
    const endpoint = await findCoordinator(brokers, group, performance.now() + limits.kafkaCallTimeoutMs);
    if (isClosed) throw new UnavailableError('log_closed', 'the consumer has left the group');
    link ??= brokers.openLink(endpoint);
    return link;
  }

  function forget(): void {
    link?.close();
    link = null;
  }

  async function call<Request, Response>(
    message: Message<Request, Response>,
    request: Request,
    timeoutMs: number,
    errorCodeOf: (answer: Response) => number,
  ): Promise<{ readonly answer: Response; readonly errorCode: number }> {
    try {
      const answer = await (await located()).call(message, request, timeoutMs);
      const errorCode = errorCodeOf(answer);
      if (errorCode === codes.notCoordinator || errorCode === codes.coordinatorNotAvailable) forget();
      return { answer, errorCode };
    } catch (error) {
      // It may be another broker by now.
      forget();
      throw error;
    }
  }

  async function sync(
    memberId: string,
    generationId: number,
    assignments: ValueOf<typeof protocol.syncGroup.request>['assignments'],
  ): Promise<{ readonly partitions: readonly number[] } | { readonly errorCode: number }> {
    const { answer, errorCode } = await call(
      protocol.syncGroup,
      {
        groupId: group,
        generationId,
        memberId,
        groupInstanceId: null,
        protocolType,
        protocolName: assignorName,
        assignments,
      },
      settings.rebalanceTimeoutMs + joinMarginMs,
      (response) => response.errorCode,
    );
    if (errorCode !== 0) return { errorCode };
    // Who has nothing may be told so by no bytes at all.
    const told = answer.assignment.length === 0 ? null : assignment.read(new ByteReader(answer.assignment));
    const own = (told?.assignedPartitions ?? [])
      .filter((assigned) => assigned.topic === topic)
      .flatMap(({ partitions }) => partitions);
    return { partitions: own.sort((a, b) => a - b) };
  }

  return {
    async join(memberId, countPartitions) {
      const wish = { version: groupProtocolVersion, topics: [topic], userData: null, ownedPartitions: [] };
      const protocols = [{ name: assignorName, metadata: encode(subscription, wish) }];
      const ask = (as: string) =>
        call(
          protocol.joinGroup,
          {
            groupId: group,
            sessionTimeoutMs: settings.sessionTimeoutMs,
            rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
            memberId: as,
            groupInstanceId: null,
            protocolType,
            protocols,
            reason: null,
          },
          settings.rebalanceTimeoutMs + joinMarginMs,
          (response) => response.errorCode,
        );
      let joined = await ask(memberId);
      // A new member is first told its name.
      if (joined.errorCode === codes.memberIdRequired) joined = await ask(joined.answer.memberId);
      if (joined.errorCode !== 0) return { errorCode: joined.errorCode };
      const { answer } = joined;
      const { generationId } = answer;
      const isLeader = answer.leader === answer.memberId;
      const partitionsShared = isLeader ? await countPartitions() : null;
      const members = answer.members.map((member) => member.memberId);
      const synced = await sync(answer.memberId, generationId, shareOut(topic, members, partitionsShared ?? 0));
      if ('errorCode' in synced) return { errorCode: synced.errorCode, memberId: answer.memberId };
      return { memberId: answer.memberId, generationId, partitions: synced.partitions, partitionsShared };
    },

    async heartbeat({ memberId, generationId }, timeoutMs) {
      const request = { groupId: group, generationId, memberId, groupInstanceId: null };
      return (await call(protocol.heartbeat, request, timeoutMs, (response) => response.errorCode)).errorCode;
    },

    async commit({ memberId, generationId }, offsets) {
      const partitions = [...offsets].map(([partitionIndex, offset]) => {
        return { partitionIndex, committedOffset: BigInt(offset), committedLeaderEpoch: -1, committedMetadata: null };
      });
      const { errorCode } = await call(
        protocol.offsetCommit,
        { groupId: group, generationId, memberId, groupInstanceId: null, topics: [{ name: topic, partitions }] },
        limits.kafkaCallTimeoutMs,
        (response) =>
          response.topics.flatMap((one) => one.partitions).find((one) => one.errorCode !== 0)?.errorCode ?? 0,
      );
      return errorCode;
    },

    async leave(memberId) {
      // Over a connection of its own: on the other one a join may be waiting for the group.
      forget();
      const members = [{ memberId, groupInstanceId: null, reason: 'it stops' }];
      const request = { groupId: group, members };
      return (await call(protocol.leaveGroup, request, limits.kafkaCallTimeoutMs, (response) => response.errorCode))
        .errorCode;
    },

    close() {
      isClosed = true;
      forget();
    },
  };
}

/**
 * Which broker looks after the group. A cluster that never had one makes a place for groups first, which takes a
 * moment.
 * @throws UnavailableError
 */
export async function findCoordinator(brokers: Brokers, group: string, deadlineAt: number): Promise<Endpoint> {
  const request = { keyType: ofGroup, coordinatorKeys: [group] };
  for (let attempt = 0; ; attempt += 1) {
    const answer = await brokers.ask(protocol.findCoordinator, request, deadlineAt);
    const found = answer.coordinators[0];
    if (found === undefined) throw new UnavailableError('log_refused', `Kafka names no coordinator for group ${group}`);
    if (found.errorCode === 0) return found;
    const pauseMs = retryPauseMs(attempt);
    if (!isPassing(found.errorCode) || performance.now() + pauseMs > deadlineAt) {
      throw refused(`find the coordinator of group ${group}`, found.errorCode);
    }
    await pause(pauseMs);
  }
}

/** Each member as many as any other, or one less. */
function shareOut(
  topic: string,
  memberIds: readonly string[],
  partitionCount: number,
): { memberId: string; assignment: Buffer }[] {
  const members = [...memberIds].sort();
  return members.map((memberId, nth) => {
    const partitions: number[] = [];
    for (let partition = nth; partition < partitionCount; partition += members.length) partitions.push(partition);
    return {
      memberId,
      assignment: encode(assignment, {
        version: groupProtocolVersion,
        assignedPartitions: [{ topic, partitions }],
        userData: null,
      }),
    };
  });
}
