import { isUtf8 } from 'node:buffer';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { syntaxMessage, violationProblems } from '../domain/json-problem.ts';
import { createJsonScanner } from '../domain/json-scan.ts';
import { stringAt, withoutSigns } from '../domain/json-text.ts';
import { limits } from '../domain/limits.ts';
import { ProblemError, type ProblemItem } from './problems.ts';
import { escapePointer, summaryOf } from './validation-problem.ts';

/**
 * Bodies of the operators' routes stay text until the route reads them: one of them carries a payload, whose numbers
 * must keep every digit.
 */
export function acceptJsonText(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
    if (isUtf8(body)) done(null, body.toString());
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

/**
 * Refuses a body where none is read, so that nothing a client sends is dropped silently; `{}` says nothing and is
 * taken.
 */
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
  const json = Buffer.from(text);
  const scanner = createJsonScanner();
  const end = scanner.value(json, 0, json.length);
  if (end < 0) throw new ProblemError('invalid_json', `${syntaxMessage(scanner, json)}.`);
  if (end !== json.length)
    throw new ProblemError('invalid_json', `There is more after the value, from byte ${end} on.`);
  if (!text.startsWith('{')) throw new ProblemError('invalid_request', 'The body must be an object.');

  const errors: ProblemItem[] = violationProblems(scanner, json, 0);
  let payloadJson: string | undefined;
  for (const { keyStart, keyEnd, keyEscaped, kind, start, end: valueEnd } of scanner.fields.slice(
    0,
    scanner.fieldCount,
  )) {
    const name = stringAt(json, keyStart, keyEnd, keyEscaped);
    if (name !== 'payload') {
      errors.push({
        path: `/${escapePointer(name)}`,
        code: 'unknown_field',
        message: 'is not known here; known: payload',
      });
    } else if (kind !== 'object') {
      errors.push({ path: '/payload', code: 'invalid_value', message: 'must be an object' });
    } else {
      // -0 is stored as 0, as ingest does.
      payloadJson = withoutSigns(json, start, valueEnd, scanner.negativeZeros);
    }
  }
  if (payloadJson !== undefined && Buffer.byteLength(payloadJson) > limits.eventBytesMax) {
    errors.push({ path: '/payload', code: 'event_too_large', message: `may have ${limits.eventBytesMax} bytes` });
  }
  if (errors.length > 0) throw new ProblemError('invalid_request', summaryOf(errors), { errors });
  return payloadJson;
}

function bodyText({ body }: FastifyRequest): string {
  return typeof body === 'string' ? body.trim() : '';
}
