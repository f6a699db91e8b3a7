import type { RequestListener, Server } from 'node:http';

/**
 * While the process stops, the first request that comes on a connection is its last: the answer says so, and what was sent behind it is not
 * looked at (RFC 9112, 9.6). It would never be answered, since the connection ends with that answer; taken all the same, its events
 * would be stored twice once the client has sent them again elsewhere.
 *
 * Called when everything else listens already.
 */
export function endConnections(server: Server, isStopping: () => boolean): void {
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  const ending = new WeakSet<object>();
  server.on('request', (request, response) => {
    if (isStopping()) {
      if (ending.has(request.socket)) return;
      ending.add(request.socket);
      response.shouldKeepAlive = false;
    }
    for (const listener of listeners) listener.call(server, request, response);
  });
}
