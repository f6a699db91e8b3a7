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

export function manyReceipt(
  { accepted, rejected, retry }: { readonly accepted: number; readonly rejected: number; readonly retry: number },
  results: readonly string[],
): string {
  return `{"accepted":${accepted},"rejected":${rejected},"retry":${retry},"results":[${results.join(',')}]}`;
}
