import type { FastifyReply } from 'fastify';
import { giveBack } from '../domain/give-back.ts';

/** On every answer. Pages have more of their own, see dashboard.route.ts. */
export const commonHeaders = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const;
const commonList = Object.entries(commonHeaders).flat();

/**
 * Sends a whole answer in one write, past Fastify's own way: that copies the headers from object to object and has
 * hooks to ask (measured together with ingest.route.ts, `takeAtOnce`). What was set on the reply before does not count.
 *
 * @param body bytes are given back once they have been sent
 * @param headers name, value, name, value; without those of every answer
 */
export function answerAtOnce(
  reply: FastifyReply,
  status: number,
  headers: readonly string[],
  body: string | Buffer,
): void {
  const { raw, request } = reply;
  const length = String(Buffer.byteLength(body));
  raw.writeHead(status, [...commonList, 'x-request-id', request.id, ...headers, 'content-length', length]);
  reply.hijack();
  if (typeof body === 'string') raw.end(body);
  else raw.end(body, () => giveBack(body));
}
