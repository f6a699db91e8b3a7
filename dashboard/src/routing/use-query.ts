import { useMemo } from 'react';
import { useLocation } from 'wouter';
// The router's own useSearch decodes the whole query once before it is parsed, which spoils values with a % in them.
import { useSearch } from 'wouter/use-browser-location';

type Changes = Readonly<Record<string, string | undefined>>;

/** The query of the address, and a way to change some of it; undefined or empty takes a parameter away. */
export function useQuery(): readonly [URLSearchParams, (changes: Changes) => void] {
  const search = useSearch();
  const [location, navigate] = useLocation();
  const query = useMemo(() => new URLSearchParams(search), [search]);
  const change = (changes: Changes) => {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changes)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    // A filter is refined, not visited: the way back leads to the page before.
    navigate(next.size > 0 ? `${location}?${next}` : location, { replace: true, state: history.state });
  };
  return [query, change];
}
