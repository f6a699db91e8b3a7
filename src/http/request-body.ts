import type { IncomingMessage } from 'node:http';
import { ProblemError } from './problems.ts';

export interface RequestBodyLimits {
  /** Of one body as it arrives, before decompression. */
  readonly bytesMax: number;
  /** Of all bodies that are arriving at one time. */
  readonly arrivingBytesMax: number;
}

/**
 * A body that is refused is read on for so many times its limit and thrown away: an answer before its end closes the
 * connection under a client that is still writing, and most of those then report a broken pipe in place of the answer.
 */
const discardedFactor = 8;

/**
 * Collects bodies as bytes. All that are on their way share one bound, since each of ten thousand connections may send
 * megabytes: over it a request is refused as one that finds the queue full.
 */
export function createBodyReader({ bytesMax, arrivingBytesMax }: RequestBodyLimits) {
  let arrivingBytes = 0;

  function problemAt(bytes: number): ProblemError | null {
    if (bytes > bytesMax) {
      return new ProblemError('body_too_large', `A request may have ${bytesMax} bytes: send it in parts.`);
    }
    if (arrivingBytes <= arrivingBytesMax) return null;
    return new ProblemError('queue_full', 'Too many large requests arrive at once. Nothing of this one was taken.');
  }

  /** Calls `done` once, with a problem or the whole body. */
  return function readBody(
    request: IncomingMessage,
    done: (problem: ProblemError | null, body?: Buffer) => void,
  ): void {
    let chunks: Buffer[] = [];
    let bytes = 0;
    let kept = 0;
    let isSettled = false;
    let problem = problemAt(Number(request.headers['content-length'] ?? 0));

    function keep(chunk: Buffer): void {
      kept += chunk.length;
      arrivingBytes += chunk.length;
      chunks.push(chunk);
    }
    function letGo(): void {
      arrivingBytes -= kept;
      kept = 0;
    }
    function settle(error: ProblemError | null): void {
      if (isSettled) return;
      isSettled = true;
      letGo();
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes);
      // What the listeners hold lives as long as the request.
      chunks = [];
      if (error) done(error);
      else done(null, body);
    }
    // Listeners are not taken off again: that costs more than a flag.
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (!problem) {
        keep(chunk);
        problem = problemAt(bytes);
        if (!problem) return;
        letGo();
        chunks = [];
      }
      if (bytes > bytesMax * discardedFactor) settle(problem);
    });
    request.on('end', () => settle(problem));
    // Comes after `end` as well. Without it, the connection broke.
    request.on('close', () => {
      if (!isSettled) settle(new ProblemError('invalid_request', 'The connection ended before the body was complete.'));
    });
  };
}
