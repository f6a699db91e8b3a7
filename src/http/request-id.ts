import { randomBytes } from 'node:crypto';

/** What a client may choose itself: printable, no spaces, and short enough for any log line. */
const sane = /^[\w.:/+=-]{1,128}$/;

/**
 * Takes over the client's `x-request-id` where it is sane, else makes one. Random per process and counted within it: as
 * unique as a UUID for the purpose, at a tenth of its cost, which shows at 25,000 requests a second.
 */
export function createRequestIds() {
  const prefix = randomBytes(6).toString('base64url');
  let count = 0;
  return (fromClient?: string | string[]): string => {
    if (typeof fromClient === 'string' && sane.test(fromClient)) return fromClient;
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}
