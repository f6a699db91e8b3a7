import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { editDistance } from '../domain/edit-distance.ts';
import { sendProblem } from './problem-answer.ts';
import { ProblemError } from './problems.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
/** Longer paths get no hint: the comparison takes time with the square of the length. */
const hintedLengthMax = 120;

/** Answers what no route took: 405 where the address has other methods, else 404 with the nearest address there is. */
export function createUnknownAddressHandler(app: FastifyInstance, knownPaths: ReadonlySet<string>) {
  return (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const path = pathOf(request.url);
    const allowed = methods.filter((method) => app.findRoute({ method, url: path }) !== null);
    if (allowed.length > 0 && !allowed.some((method) => method === request.method)) {
      const allow = allowed.join(', ');
      reply.header('allow', allow);
      return sendProblem(
        reply,
        new ProblemError('method_not_allowed', `${path} takes ${allow}, not ${request.method}.`),
      );
    }
    const nearest = nearestPath(path, knownPaths);
    const hint = nearest === null ? '' : ` Did you mean ${nearest}?`;
    // A worker has so few addresses that it describes none.
    const list = knownPaths.has('/openapi.json')
      ? '/openapi.json lists every address.'
      : `Here are ${inWords(knownPaths)}.`;
    return sendProblem(
      reply,
      new ProblemError('not_found', `There is nothing at ${path.slice(0, 200)}.${hint} ${list}`),
    );
  };
}

function inWords(paths: Iterable<string>): string {
  return new Intl.ListFormat('en').format(paths);
}

function pathOf(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0];
  return path === undefined || path === '' ? '/' : path;
}

/** @returns the known path that is closest, or null where none is close enough to be what was meant. */
function nearestPath(path: string, knownPaths: Iterable<string>): string | null {
  if (path.length > hintedLengthMax) return null;
  let nearest: string | null = null;
  let least = Math.max(4, Math.floor(path.length / 3)) + 1;
  for (const known of knownPaths) {
    // Any short path is near it, and none means it.
    if (known === '/') continue;
    const distance = editDistance(path.toLowerCase(), known);
    if (distance < least) {
      least = distance;
      nearest = known;
    }
  }
  return nearest;
}
