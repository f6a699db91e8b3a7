import { isMarkedAsUntransferable } from 'node:worker_threads';

/** Below, an array that Node's collector finds by itself costs no more than to be told of it. */
const worthBytes = 4_096;

/**
 * Gives the memory of bytes that the caller has made back at once, where the collector would come to it some megabytes
 * later: so much of it lies about meanwhile that it is most of what a process takes under load of batches. Nobody may
 * look at it any more, nor at anything else that is a view of the same memory; who does, finds it empty.
 *
 * Of Node's pool, which buffers of anybody share and which is marked so, nothing is given back.
 */
export function giveBack({ buffer }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer)) return;
  if (buffer.byteLength < worthBytes || isMarkedAsUntransferable(buffer)) return;
  buffer.transfer(0);
}

/**
 * The same of bytes that somebody else has made, such as a piece of a body: only where they are all of their memory, as
 * Node's HTTP parser brings each piece. A part of it may have neighbours: a TLS socket reads one piece behind another
 * into the same memory.
 */
export function giveBackReceived(bytes: Uint8Array): void {
  if (bytes.byteLength === bytes.buffer.byteLength) giveBack(bytes);
}
