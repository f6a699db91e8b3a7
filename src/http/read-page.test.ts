import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { readPage } from './read-page.ts';

/** A store of so many numbers, whose cursor is the next one. */
function storeOf(count: number) {
  const asked: number[] = [];
  return {
    asked,
    async read({ limit, cursor }: { readonly limit: number; readonly cursor?: string }) {
      asked.push(limit);
      if (cursor !== undefined && !/^\d+$/.test(cursor)) throw new RangeError('no cursor of mine');
      const from = Number(cursor ?? 0);
      const items = Array.from({ length: Math.min(limit, count - from) }, (_, index) => from + index);
      const next = from + items.length;
      return { items, nextCursor: next < count ? String(next) : null };
    },
  };
}

describe('a page', () => {
  it.each([
    [7, 5, 5, '5', [5]],
    [7, 7, 7, null, [7]],
    [7, 1_000, 7, null, [100]],
    [250, 1_000, 250, null, [100, 100, 100]],
    [5_000, 230, 230, '230', [100, 100, 30]],
  ])('of %i items, asked for %i', async (count, limit, got, nextCursor, asked) => {
    const store = storeOf(count);
    const page = await readPage({ limit }, store.read, () => 1);
    expect(page.items).toEqual(Array.from({ length: got }, (_, index) => index));
    expect(page.nextCursor).toBe(nextCursor);
    expect(store.asked).toEqual(asked);
  });

  it('ends early where its items are large, and goes on from there', async () => {
    const store = storeOf(1_000);
    const large = () => limits.pageBytesMax / 150;
    const first = await readPage({ limit: 1_000 }, store.read, large);
    expect(first.items).toHaveLength(200);
    const second = await readPage({ limit: 1_000, cursor: String(first.nextCursor) }, store.read, large);
    expect(second.items[0]).toBe(200);
  });

  it('tells a cursor of somebody else from a bug', async () => {
    const { read } = storeOf(1);
    await expect(readPage({ limit: 1, cursor: 'x' }, read, () => 1)).rejects.toMatchObject({ code: 'invalid_cursor' });
    const broken = () => Promise.reject(new RangeError('a bug'));
    await expect(readPage({ limit: 1 }, broken, () => 1)).rejects.toBeInstanceOf(RangeError);
  });
});
