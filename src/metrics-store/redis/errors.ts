import { UnavailableError } from '../../domain/failure.ts';
import { ReplyError } from './client.ts';

/** Whether Redis has answered, and with a refusal. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof ReplyError;
}

/** The first word of an error that Redis answered, such as MOVED, OOM or NOSCRIPT; null of any other error. */
export function replyCode(error: unknown): string | null {
  if (!isRefusal(error)) return null;
  return /^[A-Z]+(?= |$)/.exec(error.message)?.[0] ?? 'ERR';
}

const advice: Readonly<Record<string, string>> = {
  NOAUTH: 'it wants a user and a password: put them into REDIS_URL',
  WRONGPASS: 'the user or the password in REDIS_URL is wrong',
  NOPERM: 'this user may not do that: esp doctor says what it needs',
  OOM: 'its memory is full: raise maxmemory',
  READONLY: 'it is a replica: REDIS_URL must name the primary',
  MOVED: 'it is one node of a cluster: write REDIS_URL as redis+cluster://',
  LOADING: 'it is reading its files and will be there in a moment',
  MISCONF: 'it can not write to its disk',
};

/** Whether the user lacks a right. Inside of a script it is not called NOPERM: Redis 7.0, and since 7.2 and Valkey. */
export function isForbidden({ message }: Error): boolean {
  return /^NOPERM |can't run this command|can't access|^ERR ACL failure in script/.test(message);
}

/** An error as a sentence, with what to do where that is known. */
export function explain(error: Error): string {
  const code = replyCode(error);
  const noCluster = /cluster support disabled/i.test(error.message);
  const hint = noCluster ? 'write REDIS_URL as redis://' : code === null ? undefined : advice[code];
  return `${error.message || error.name}${hint === undefined ? '' : `; ${hint}`}`;
}

/**
 * The metrics store is a copy, so whatever Redis answers, storing goes on: a refusal is as good as an absence, and the
 * partition is rebuilt when it is over.
 */
export function refusalToUnavailable(error: unknown): unknown {
  if (!isRefusal(error)) return error;
  return new UnavailableError('metrics_unavailable', `Redis refused: ${explain(error)}`, { cause: error });
}
