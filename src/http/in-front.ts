import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';

/**
 * Asks about each request before everything that listens to the server so far hears of it.
 * @param keeps true: it has been dealt with, and goes no further
 */
export function standInFront(
  server: Server,
  keeps: (request: IncomingMessage, response: ServerResponse) => boolean,
): void {
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (keeps(request, response)) return;
    for (const listener of listeners) listener.call(server, request, response);
  });
}
