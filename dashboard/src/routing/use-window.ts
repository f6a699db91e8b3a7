import { useQuery } from './use-query.ts';
import { isWindowName, type WindowName, windowDefault } from './windows.ts';

let lastChosen: WindowName = windowDefault;

/** The window in the address; where the page's address has none, the one that was looked at last. */
export function useWindow(): readonly [WindowName, (window: WindowName) => void] {
  const [query, change] = useQuery();
  const named = query.get('window');
  if (isWindowName(named)) lastChosen = named;
  return [lastChosen, (window) => change({ window })];
}
