import { sampleEvent, sampleLines } from './sample-event.ts';

/** One JSON object, an array of them, or one a line. */
export type BodyForm = 'json' | 'array' | 'ndjson';

interface Requests {
  readonly eventsPerRequest: number;
  readonly form: BodyForm;
}

/** About so many events are made beforehand, whatever the requests hold of them. */
const eventsMade = 50_000;
/** Prime numbers, so that connections do not fall into step. */
const singleVariants = 1009;
const variantsMin = 5;

/**
 * Whole requests, head and body in one buffer each, made before the clock runs. Several, so that nobody parses the same
 * bytes over and over.
 */
export function buildRequests({ eventsPerRequest, form }: Requests): readonly Buffer[] {
  const variants =
    form === 'json' ? singleVariants : Math.max(variantsMin, Math.floor(eventsMade / eventsPerRequest) | 1);
  const contentType = form === 'ndjson' ? 'application/x-ndjson' : 'application/json';
  return Array.from({ length: variants }, (_, variant) => {
    const body = bodyOf(form, variant * eventsPerRequest, eventsPerRequest);
    const head =
      `POST /api/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${contentType}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    return Buffer.from(head + body);
  });
}

function bodyOf(form: BodyForm, first: number, count: number): string {
  if (form === 'json') return sampleEvent(first);
  if (form === 'ndjson') return sampleLines(first, count);
  return `[${Array.from({ length: count }, (_, index) => sampleEvent(first + index)).join(',')}]`;
}
