/**
 * FailedTopic: where failed events are told to other programs. The inbox is the truth; what stands here was copied from
 * it afterwards, so that others can react without asking.
 *
 * Contract:
 *
 * At least once  `publish` resolves only when every record of the call is durable. When it rejects, any part may be there: the
 *                caller publishes all of it again, and readers know a record by its headers.
 * Ordered        Records of one key keep the order of a call, and of calls of which the caller awaits one before the next.
 * Never stuck    A value that the topic does not take for its size is left out, with the header `value-omitted` saying how many
 *                bytes it had; the record itself is published.
 * Failing        What can't be done now rejects with UnavailableError, within a few seconds. Nothing else is thrown.
 * close          Waits for what is under way, frees the resources. Calls after it reject.
 */
export interface FailedTopic {
  publish(records: readonly FailedRecord[]): Promise<void>;
  close(): Promise<void>;
}

export interface FailedRecord {
  /** Records of one key stand in one partition, by Kafka's own rule; without one, anywhere. */
  readonly key: string | null;
  /** The record as it was in the log. */
  readonly value: Uint8Array;
  /** Reason, attempt, origin: short texts. */
  readonly headers: Readonly<Record<string, string>>;
}

export const valueOmittedHeader = 'value-omitted';
