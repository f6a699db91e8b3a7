import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problems.ts';

/** What a client may be told about a file that is there: its conditions are not met, or it has no such part. */
const statusesOfAFile = new Set([200, 206, 304, 412, 416]);

/**
 * Answers with a file of a directory, or with 304 to who has it already. Names that begin with a dot are not seen.
 *
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
  // Not before somebody looks at a page: a server that nobody looks at takes less memory without it.
  const { send } = await import('@fastify/send');
  const options = { root: directory, dotfiles: 'ignore', cacheControl: false, index: false } as const;
  const found = await send(request.raw, encodeURI(path), options);
  if (!statusesOfAFile.has(found.statusCode)) {
    found.stream.destroy();
    throw new ProblemError('not_found', 'There is nothing at this address.');
  }
  return reply
    .code(found.statusCode)
    .headers({ ...found.headers, ...headers })
    .send(found.stream);
}
