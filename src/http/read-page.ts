import { limits } from '../domain/limits.ts';
import type { Page } from '../event-store/event-store.ts';
import { ProblemError } from './problems.ts';

interface PageQuery {
  readonly limit: number;
  readonly cursor?: string;
}

/**
 * A page of up to `limit` items, read from the store in pieces and ended early where its items are large: a thousand of
 * the largest would be 256 MiB in memory, several times over. A page that ends early has a cursor like any other.
 */
export async function readPage<Query extends PageQuery, Item>(
  query: Query,
  read: (query: Query) => Promise<Page<Item>>,
  bytesOf: (item: Item) => number,
): Promise<Page<Item>> {
  const items: Item[] = [];
  let bytes = 0;
  let cursor = query.cursor;
  for (;;) {
    const limit = Math.min(query.limit - items.length, limits.pageReadItemsMax);
    const piece = await withCursor(query.cursor, () => read({ ...query, limit, ...(cursor ? { cursor } : {}) }));
    items.push(...piece.items);
    for (const item of piece.items) bytes += bytesOf(item);
    const isFull = items.length >= query.limit || bytes >= limits.pageBytesMax;
    if (piece.nextCursor === null || isFull) return { items, nextCursor: piece.nextCursor };
    cursor = piece.nextCursor;
  }
}

/** The store's RangeError says that the cursor is not one of its own. */
async function withCursor<Result>(given: string | undefined, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (error) {
    if (given === undefined || !(error instanceof RangeError)) throw error;
    throw new ProblemError('invalid_cursor', 'Take `next_cursor` of an earlier answer as it is, or leave it out.', {
      cause: error,
    });
  }
}
