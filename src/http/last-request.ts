import type { Server } from 'node:http';
import { standInFront } from './in-front.ts';

/**
 * While the process stops, the first request that comes on a connection is its last: the answer says so, and what was
 * sent behind it is not looked at (RFC 9112, 9.6). It would never be answered, since the connection ends with that
 * answer; taken all the same, its events would be stored twice once the client has sent them again elsewhere.
 *
 * Called when everything else listens already.
 */
export function endConnections(server: Server, isStopping: () => boolean): void {
  const ending = new WeakSet<object>();
  standInFront(server, ({ socket }, response) => {
    if (!isStopping()) return false;
    if (ending.has(socket)) return true;
    ending.add(socket);
    response.shouldKeepAlive = false;
    return false;
  });
}
