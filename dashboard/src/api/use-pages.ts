import { useCallback, useEffect, useRef, useState } from 'react';
import type { ApiError } from './problem.ts';
import { asApiError } from './use-request.ts';

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

export interface PagesState<Item> {
  readonly items: readonly Item[];
  /** True until the first page of this key is here. */
  readonly isLoading: boolean;
  readonly isLoadingMore: boolean;
  /** The list is asked for anew; the one that is there stays until then. */
  readonly isReloading: boolean;
  readonly hasMore: boolean;
  readonly error: ApiError | null;
  readonly loadMore: () => void;
  readonly reload: () => void;
}

interface Loaded<Item> {
  readonly key: string;
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
  readonly error: ApiError | null;
}

/**
 * A list that grows page by page by cursor, and starts again when `key` changes.
 * @param version tells that the list may be another by now; it is asked for anew, and the old one stays until then
 */
export function usePages<Item>(
  key: string,
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Item>>,
  version: string | number = 0,
): PagesState<Item> {
  const [loaded, setLoaded] = useState<Loaded<Item>>();
  const [pending, setPending] = useState<'first' | 'more' | null>('first');
  const [turn, setTurn] = useState(0);
  const running = useRef<AbortController>(undefined);
  const loadRef = useRef(load);
  loadRef.current = load;
  // A list that is asked again in the background stays as long as the reader has made it.
  const pagesWanted = useRef(1);
  const place = useRef('');

  const run = useCallback((forKey: string, before: Loaded<Item> | undefined, kind: 'first' | 'more') => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setPending(kind);
    loadPages(loadRef.current, before, before ? 1 : pagesWanted.current, controller.signal).then(
      (pages) => {
        if (controller.signal.aborted) return;
        setLoaded({ key: forKey, ...pages, error: null });
        setPending(null);
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        const empty = { key: forKey, items: [], nextCursor: null };
        setLoaded((current) => ({ ...(current?.key === forKey ? current : empty), error: asApiError(error) }));
        setPending(null);
      },
    );
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn or version is a wish to ask again
  useEffect(() => {
    if (place.current !== `${turn} ${key}`) pagesWanted.current = 1;
    place.current = `${turn} ${key}`;
    run(key, undefined, 'first');
    return () => running.current?.abort();
  }, [key, turn, version, run]);

  const own = loaded?.key === key ? loaded : undefined;
  return {
    items: own?.items ?? [],
    isLoading: own === undefined,
    isLoadingMore: pending === 'more',
    isReloading: own !== undefined && pending === 'first',
    hasMore: own?.nextCursor != null,
    error: own?.error ?? null,
    loadMore: useCallback(() => {
      if (loaded?.key !== key || loaded.nextCursor === null || pending === 'more') return;
      pagesWanted.current += 1;
      run(key, pending === null ? loaded : undefined, 'more');
    }, [key, loaded, pending, run]),
    reload: useCallback(() => setTurn((before) => before + 1), []),
  };
}

/** Up to `count` pages, after those there are before. */
async function loadPages<Item>(
  load: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Item>>,
  before: Page<Item> | undefined,
  count: number,
  signal: AbortSignal,
): Promise<Page<Item>> {
  let { items, nextCursor }: Page<Item> = before ?? { items: [], nextCursor: null };
  for (let loaded = 0; loaded < count && (loaded === 0 || nextCursor !== null); loaded += 1) {
    const page = await load(nextCursor ?? undefined, signal);
    items = [...items, ...page.items];
    nextCursor = page.nextCursor;
  }
  return { items, nextCursor };
}
