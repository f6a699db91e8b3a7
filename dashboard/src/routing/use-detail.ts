import { useLocation } from 'wouter';
import { useHistoryState, useSearch } from 'wouter/use-browser-location';

/**
 * An event opens in a drawer with an address of its own, above the page it was opened from. That page is remembered in
 * the history entry; an address that was typed or shared opens above its list.
 */
interface DetailState {
  readonly background?: string;
}

const listOf = (location: string) =>
  /^\/(events|failed)\/./.test(location) ? location.replace(/^(\/\w+)\/.*$/, '$1') : location;

export function useDetail() {
  const [location, navigate] = useLocation();
  const search = useSearch();
  const state = useHistoryState<DetailState | null>();
  const isDetail = listOf(location) !== location;
  const page = isDetail ? (state?.background ?? listOf(location)) : location;
  return {
    /** The page on the screen, under the drawer if there is one. */
    page,
    open: (path: string) => navigate(path + search, { state: { background: page } satisfies DetailState }),
    close: () => navigate(page + search),
    /** For links, so that they can be opened in a new tab: the drawer's address with the page's query. */
    hrefOf: (path: string) => path + search,
  };
}
