import type { IncomingMessage as Incoming } from 'node:http';
import { giveBackReceived } from '../domain/give-back.ts';
import { ProblemError } from './problems.ts';

export interface RequestBodyLimits {
  /** Of one body as it arrives, before decompression. */
  readonly bytesMax: number;
  /** Of all bodies that are arriving at one time. */
  readonly arrivingBytesMax: number;
}

// An import as a module would load an HTTP client with it: 15 MiB.
const { IncomingMessage } = process.getBuiltinModule('node:http');

type TakePiece = (piece: Buffer | null) => void;

/**
 * A request whose body can be had as the parser brings it, past the stream that a request is. To be read as a stream
 * costs each of them four turns of the queue of ticks and a dozen events, in sum a sixth of what a bare server of
 * node:http takes for a request, and is no use to who wants all of the body and holds up nobody.
 */
export class BodyRequest extends IncomingMessage {
  static {
    // Else Node keeps the request with its connection until the next one comes. (Declared as a field, though it is an
    // accessor.)
    Object.defineProperty(BodyRequest.prototype, 'readableEnded', {
      get(this: BodyRequest): boolean {
        return this.#take === null ? Reflect.get(IncomingMessage.prototype, 'readableEnded', this) : this.complete;
      },
    });
  }

  #take: TakePiece | null = null;

  /**
   * Every piece of the body goes to `take`, and null when it is over; nothing of it comes as a stream then.
   * @returns false where some of it may have come already
   */
  takeBody(take: TakePiece): boolean {
    if (this.complete || this.readableLength > 0) return false;
    this.#take = take;
    return true;
  }

  override push(piece: Buffer | null): boolean {
    if (this.#take === null) return super.push(piece);
    this.#take(piece);
    // Node waits for it where the answer came first, to let go of the request.
    if (piece === null) this.emit('end');
    return true;
  }

  /** Node reads past what is left of a body once it has been answered: here nothing is. */
  override resume(): this {
    return this.#take === null ? super.resume() : this;
  }
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
  return function readBody(request: Incoming, done: (problem: ProblemError | null, body?: Buffer) => void): void {
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
      const body = chunks.length === 1 ? chunks[0] : joined(chunks, bytes);
      // What the listeners hold lives as long as the request.
      chunks = [];
      if (error) done(error);
      else done(null, body);
    }
    function take(chunk: Buffer): void {
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
    const isTaken =
      request instanceof BodyRequest && request.takeBody((piece) => (piece === null ? settle(problem) : take(piece)));
    // Listeners are not taken off again: that costs more than a flag.
    if (!isTaken) request.on('data', take).on('end', () => settle(problem));
    // Comes after `end` as well. Without it, the connection broke.
    request.on('close', () => {
      if (!isSettled) settle(new ProblemError('invalid_request', 'The connection ended before the body was complete.'));
    });
  };
}

/** Node's parser brings each piece in memory of its own. */
function joined(pieces: readonly Buffer[], bytes: number): Buffer {
  const body = Buffer.concat(pieces, bytes);
  for (const piece of pieces) giveBackReceived(piece);
  return body;
}
