/**
 * What the product's ingest is measured against: node:http alone. It reads the body, parses its JSON (one event, an
 * array of them or one a line), makes an id for each event and answers in the product's form. It checks nothing, keeps
 * nothing, and forgets everything.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { limits } from '../../src/domain/limits.ts';
import { answerParent } from '../parts/child.ts';

function answerTo(contentType: string | undefined, body: string): string {
  if (contentType === 'application/json') {
    const parsed: unknown = JSON.parse(body);
    return JSON.stringify(Array.isArray(parsed) ? receiptOf(parsed.length) : result());
  }
  let events = 0;
  for (const line of body.split('\n')) {
    if (line === '') continue;
    JSON.parse(line);
    events += 1;
  }
  return JSON.stringify(receiptOf(events));
}

function receiptOf(events: number) {
  return { accepted: events, rejected: 0, retry: 0, results: Array.from({ length: events }, result) };
}

function result() {
  return { id: randomUUID(), status: 'accepted' };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const answer = answerTo(request.headers['content-type'], Buffer.concat(chunks).toString());
    response.writeHead(202, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(answer),
    });
    response.end(answer);
  });
});

// The product's own time: a paced load leaves connections alone for a while.
server.keepAliveTimeout = limits.keepAliveTimeoutMs;

/** Answers the port. */
answerParent(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
});
