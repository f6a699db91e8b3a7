import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { createJsonScanner } from '../domain/json-scan.ts';
import { limits } from '../domain/limits.ts';
import { ProblemError, type ProblemItem } from './problems.ts';

/**
 * Bodies of the operators' routes stay text until the route reads them: one of them carries a payload, whose numbers must keep
 * every digit.
 */
export function acceptJsonText(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    if (isUtf8(body)) done(null, body.toString('utf8'));
    else done(new ProblemError('invalid_encoding', 'The body is not UTF-8.'));
  });
}

/** For a route's preValidation: the text becomes the value that the route's schema is about. */
export async function parseJsonBody(request: FastifyRequest): Promise<void> {
  const text = bodyText(request);
  if (text === '') throw new ProblemError('empty_body', 'This address needs a JSON object.');
  try {
    request.body = JSON.parse(text);
  } catch (error) {
    throw new ProblemError('invalid_json', error instanceof Error ? error.message : 'It can not be parsed.');
  }
}

/** Refuses a body where none is read, so that nothing a client sends is dropped silently; `{}` says nothing and is taken. */
export async function refuseBody(request: FastifyRequest): Promise<void> {
  const text = bodyText(request);
  if (text !== '' && !/^\{\s*\}$/.test(text)) throw new ProblemError('invalid_request', 'This address takes no body.');
}

/**
 * The body of a single redrive: nothing, `{}` or `{"payload":{…}}`.
 * @returns the payload's own JSON text, or undefined where it is not to be replaced.
 */
export function readRedrivePayload(request: FastifyRequest): string | undefined {
  const text = bodyText(request);
  if (text === '') return undefined;
  const scanner = createJsonScanner();
  const end = text.startsWith('{') ? scanner.object(text, 0, text.length) : scanner.value(text, 0, text.length);
  if (end < 0) {
    const { message, at } = scanner.syntaxError;
    throw new ProblemError('invalid_json', `At character ${at}: ${message}.`);
  }
  if (end !== text.length) throw new ProblemError('invalid_json', `At character ${end}: expected the end of the body.`);
  if (!text.startsWith('{')) throw new ProblemError('invalid_request', 'The body must be an object.');

  const errors: ProblemItem[] = scanner.violations.map(({ code, at }) => ({
    path: '/payload',
    code,
    message: `at character ${at} of the body`,
  }));
  let payloadJson: string | undefined;
  for (const field of scanner.fields.slice(0, scanner.fieldCount)) {
    const name = String(JSON.parse(text.slice(field.keyStart, field.keyEnd)));
    if (name !== 'payload') {
      errors.push({ path: `/${name}`, code: 'unknown_field', message: 'is not known here; known: payload' });
    } else if (field.kind !== 'object') {
      errors.push({ path: '/payload', code: 'invalid_value', message: 'must be an object' });
    } else {
      payloadJson = withoutNegativeZeros(text, field.start, field.end, scanner.negativeZeros);
    }
  }
  if (payloadJson !== undefined && Buffer.byteLength(payloadJson) > limits.eventBytesMax) {
    errors.push({ path: '/payload', code: 'event_too_large', message: `may have ${limits.eventBytesMax} bytes` });
  }
  if (errors.length > 0) {
    throw new ProblemError('invalid_request', errors.map(({ path, message }) => `${path}: ${message}`).join('; '), {
      errors,
    });
  }
  return payloadJson;
}

/** −0 is stored as 0, as ingest does: not every store can tell them apart. */
function withoutNegativeZeros(text: string, start: number, end: number, negativeZeros: readonly number[]): string {
  let result = '';
  let from = start;
  for (const at of negativeZeros) {
    if (at < start || at >= end) continue;
    result += text.slice(from, at);
    from = at + 1;
  }
  return result + text.slice(from, end);
}

function bodyText({ body }: FastifyRequest): string {
  return typeof body === 'string' ? body.trim() : '';
}
