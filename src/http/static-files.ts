import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problems.ts';

/** Of what the dashboard's bundler writes. */
const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** No part of it begins with a dot, so it leads to no hidden file and not out of the directory. */
const plainPath = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;

/**
 * Answers with a file of a directory, or with 304 to who has it already.
 * @param path below the directory, with `/`, as a client named it
 * @throws ProblemError `not_found` where there is no such file that may be seen
 */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  directory: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<FastifyReply> {
  const file = join(directory, path);
  const found = plainPath.test(path) ? await statOf(file) : null;
  if (!found?.isFile()) throw new ProblemError('not_found', 'There is nothing at this address.');
  const etag = `"${found.size.toString(16)}-${Math.trunc(found.mtimeMs).toString(16)}"`;
  reply.headers(headers).header('etag', etag);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply
    .header('content-type', contentTypes[extname(path)] ?? 'application/octet-stream')
    .header('content-length', found.size)
    .send(createReadStream(file));
}

async function statOf(file: string) {
  try {
    return await stat(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return null;
    throw error;
  }
}
