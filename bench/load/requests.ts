import { sampleEvent, sampleLines } from './sample-event.ts';

/**
 * Whole requests, head and body in one buffer each, made before the clock runs. Several, so that nobody parses the same
 * bytes over and over; a prime number, so that connections do not fall into step.
 */
export function buildRequests(port: number, eventsPerRequest: number): readonly Buffer[] {
  const [variants, contentType] = eventsPerRequest === 1 ? [1009, 'application/json'] : [5, 'application/x-ndjson'];
  return Array.from({ length: variants }, (_, variant) => {
    const body =
      eventsPerRequest === 1 ? sampleEvent(variant) : sampleLines(variant * eventsPerRequest, eventsPerRequest);
    const head =
      `POST /api/events HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: ${contentType}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return Buffer.from(head + body);
  });
}
