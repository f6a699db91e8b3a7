import { eventIdLength } from '../domain/identity.ts';
import { idAt } from '../domain/record-codec.ts';
import { asBuffer } from '../domain/utf8.ts';
import type { EventResult } from '../ingest/ingest-answer.ts';

/** Receipts as JSON text, put together by hand: a request may have ten thousand results, and ids need no escaping. */
export function eventReceipt(id: string, status: 'accepted' | 'retry' | 'stored' | 'duplicate'): string {
  return `{"id":"${id}","status":"${status}"}`;
}

export function resultJson(result: EventResult): string {
  if (result.status !== 'rejected') return eventReceipt(result.id, result.status);
  const { code, path, message } = result.problem;
  return JSON.stringify({ status: 'rejected', error: { code, path, message } });
}

const acceptedResult = Buffer.from(`${eventReceipt('0'.repeat(eventIdLength), 'accepted')},`);

/**
 * Where every event was accepted: bytes, filled with one result over and over, into which the ids are put. Ten thousand
 * results as objects and strings were most of the garbage of a batch.
 */
export function allAcceptedReceipt(records: readonly { readonly value: Uint8Array }[]): Buffer {
  const head = `{"accepted":${records.length},"rejected":0,"retry":0,"results":[`;
  const receipt = Buffer.allocUnsafeSlow(head.length + records.length * acceptedResult.length + 1);
  let at = receipt.write(head, 'latin1');
  receipt.fill(acceptedResult, at);
  for (const { value } of records) {
    // An id stands in a record where it stands in a result.
    asBuffer(value).copy(receipt, at + idAt, idAt, idAt + eventIdLength);
    at += acceptedResult.length;
  }
  // In the place of the last comma.
  receipt.write(']}', at - 1, 'latin1');
  return receipt;
}

export function manyReceipt(
  { accepted, rejected, retry }: { readonly accepted: number; readonly rejected: number; readonly retry: number },
  results: readonly string[],
): string {
  return `{"accepted":${accepted},"rejected":${rejected},"retry":${retry},"results":[${results.join(',')}]}`;
}
