import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
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

  return function readBody(request: IncomingMessage, payload: Readable): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let chunks: Buffer[] = [];
      let bytes = 0;
      let kept = 0;
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
        payload.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
        letGo();
        if (error) {
          payload.on('error', () => {}).resume();
          reject(error);
        } else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
      }
      function onData(chunk: Buffer): void {
        bytes += chunk.length;
        if (!problem) {
          keep(chunk);
          problem = problemAt(bytes);
          if (!problem) return;
          letGo();
          chunks = [];
        }
        if (bytes > bytesMax * discardedFactor) settle(problem);
      }
      function onEnd(): void {
        settle(problem);
      }
      function onBroken(error?: Error): void {
        const detail = 'The connection ended before the body was complete.';
        settle(new ProblemError('invalid_request', detail, { cause: error }));
      }
      payload.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
    });
  };
}
