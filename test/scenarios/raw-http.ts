/** HTTP by hand, for what no proper client would send. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { expectEverythingAddsUp, type RunningServer } from './harness.ts';

export interface RawRequest {
  readonly method?: string;
  readonly path?: string;
  /** Added to the usual ones; null leaves one of those out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: string | Uint8Array;
}

/** A connection to the server, closed with the test, of which everything that came is kept. */
export function dial(server: RunningServer) {
  const { port, hostname } = new URL(server.url);
  const socket: Socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  let received = '';
  socket.setEncoding('utf8').on('data', (text) => {
    received += text;
  });
  // A reset is one way of closing; what counts is what came before it.
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  return { socket, closed, received: () => received };
}

export function requestHead({ method = 'POST', path = '/api/events', headers = {}, body = '' }: RawRequest): string {
  const all: Record<string, string | null> = {
    host: 'localhost',
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const shown = Object.entries(all).filter(([, value]) => value !== null);
  return [`${method} ${path} HTTP/1.1`, ...shown.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n');
}

/** It still answers, has taken exactly these events, and nothing went wrong inside. */
export async function expectUnharmed(server: RunningServer, accepted: number): Promise<void> {
  const ledger = await expectEverythingAddsUp(server);
  expect(ledger).toMatchObject({ appended: accepted, stored: accepted, failed: 0 });
  const { text } = await server.request('/metrics');
  expect(text).toContain('status_class="2xx"');
  expect(text).not.toContain('status_class="5xx"');
  expect(server.output()).not.toContain('request.failed');
}
