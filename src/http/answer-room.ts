import type { FastifyReply } from 'fastify';
import { ProblemError } from './problems.ts';

export interface AnswerRoomLimits {
  /** Characters of large answers that may wait for their clients, all together. */
  readonly heldMax: number;
  /** Large answers that are put together side by side. */
  readonly readingMax: number;
}

/**
 * Bounds the memory of answers that may be large. One is held until its client has taken it, and a client may be slow,
 * may take nothing at all, or may ask a thousand times in one packet before it takes the first.
 */
export interface AnswerRoom {
  /**
   * Waits for its turn, reads, and counts what was read until it has been sent. @throws ProblemError where all is full
   */
  answer(reply: FastifyReply, read: () => Promise<string>): Promise<string>;
}

export function createAnswerRoom({ heldMax, readingMax }: AnswerRoomLimits): AnswerRoom {
  let held = 0;
  let reading = 0;
  const waiting: (() => void)[] = [];
  /**
   * What is held for each connection: of answers that wait behind another one, Node does not tell that it has ended.
   */
  const releases = new WeakMap<object, Set<() => void>>();

  function releasesOf(reply: FastifyReply): Set<() => void> {
    const { socket } = reply.request.raw;
    const known = releases.get(socket);
    if (known) return known;
    const made = new Set<() => void>();
    releases.set(socket, made);
    socket.once('close', () => {
      for (const release of made) release();
    });
    return made;
  }

  function hold(reply: FastifyReply, size: number): void {
    const { raw } = reply;
    if (raw.destroyed || reply.request.raw.socket.destroyed) return;
    const ofConnection = releasesOf(reply);
    const release = () => {
      if (ofConnection.delete(release)) held -= size;
    };
    ofConnection.add(release);
    held += size;
    raw.once('finish', release).once('close', release);
  }

  return {
    async answer(reply, read) {
      if (reading < readingMax) reading += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        if (held >= heldMax) {
          throw new ProblemError('too_many_answers', 'Too many large answers wait for clients that do not take them.');
        }
        // Whoever asked and left while it waited for its turn costs nothing more.
        if (reply.request.raw.socket.destroyed) return '';
        const text = await read();
        hold(reply, text.length);
        return text;
      } finally {
        const next = waiting.shift();
        if (next) next();
        else reading -= 1;
      }
    },
  };
}
