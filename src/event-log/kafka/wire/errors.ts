import { StartupError, type UnavailableCode, UnavailableError } from '../../../domain/failure.ts';
import { errorName } from '../protocol/error-names.ts';

/** The error codes of Kafka's protocol that something here depends on. */
export const codes = {
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  requestTimedOut: 7,
  brokerNotAvailable: 8,
  replicaNotAvailable: 9,
  messageTooLarge: 10,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  recordListTooLarge: 18,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  illegalGeneration: 22,
  unknownMemberId: 25,
  rebalanceInProgress: 27,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  unsupportedSaslMechanism: 33,
  topicAlreadyExists: 36,
  notController: 41,
  storageError: 56,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  offsetNotAvailable: 78,
  memberIdRequired: 79,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
} as const;

const passing: ReadonlySet<number> = new Set([
  codes.unknownTopicOrPartition,
  codes.leaderNotAvailable,
  codes.notLeaderOrFollower,
  codes.requestTimedOut,
  codes.brokerNotAvailable,
  codes.replicaNotAvailable,
  codes.coordinatorLoadInProgress,
  codes.coordinatorNotAvailable,
  codes.notCoordinator,
  codes.notEnoughReplicas,
  codes.notEnoughReplicasAfterAppend,
  codes.notController,
  codes.storageError,
  codes.fencedLeaderEpoch,
  codes.unknownLeaderEpoch,
  codes.offsetNotAvailable,
  codes.unknownTopicId,
  codes.inconsistentTopicId,
]);

const denials: ReadonlySet<number> = new Set([
  codes.topicAuthorizationFailed,
  codes.groupAuthorizationFailed,
  codes.clusterAuthorizationFailed,
]);

const missing: ReadonlySet<number> = new Set([
  codes.unknownTopicOrPartition,
  codes.unknownTopicId,
  codes.inconsistentTopicId,
]);

/** A leader that moves, a broker that starts, a topic that is just being made: asking again soon may help. */
export function isPassing(code: number): boolean {
  return passing.has(code);
}

export function isDenial(code: number): boolean {
  return denials.has(code);
}

/** @param doing what Kafka was asked for, such as `append to events` */
export function refused(doing: string, code: number): UnavailableError {
  const kind = denials.has(code) ? 'log_denied' : missing.has(code) ? 'log_missing' : 'log_refused';
  return new UnavailableError(kind, `${doing}: Kafka says ${errorName(code)}`);
}

export function topicMissing(topic: string): UnavailableError {
  return new UnavailableError('log_missing', `the topic ${topic} does not exist: make it with \`esp topics create\``);
}

/** Whatever a socket throws. */
export function unreachable(doing: string, error: unknown): UnavailableError {
  if (error instanceof UnavailableError) return error;
  return new UnavailableError('log_unreachable', `${doing}: ${reasonOf(error)}`, { cause: error });
}

/** Of a name with several addresses, why none of them could be connected to. */
function reasonOf(error: unknown): string {
  const errors: unknown[] = error instanceof AggregateError && error.errors.length > 0 ? error.errors : [error];
  return [...new Set(errors.map((one) => (one instanceof Error ? one.message : String(one))))].join('; ');
}

export function closedError(): UnavailableError {
  return new UnavailableError('log_closed', 'the log is closed');
}

export function assertPartition(partition: number, partitions: number): void {
  if (!Number.isInteger(partition) || partition < 0 || partition >= partitions) {
    throw new RangeError(`the log has no partition ${partition}: it has ${partitions}`);
  }
}

export function assertOffset(offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`${offset} is not an offset`);
}

const forPerson: ReadonlySet<UnavailableCode> = new Set(['log_missing', 'log_denied', 'log_unsupported']);

/** What a person has to mend before it can start. */
export function atStart(error: unknown): unknown {
  if (!(error instanceof UnavailableError)) return error;
  return forPerson.has(error.code) ? new StartupError(error.message, { cause: error }) : error;
}
