/** Ids of failed events are full of colons, which a path may hold as they are. */
const segment = (id: string) => encodeURIComponent(id).replaceAll('%3A', ':');

/** Addresses of the dashboard's own pages, below its base. The query keeps what a page has to remember. */
export const paths = {
  overview: '/',
  events: '/events',
  event: (id: string) => `/events/${segment(id)}`,
  failed: '/failed',
  failedEvent: (id: string) => `/failed/${segment(id)}`,
  ledger: '/ledger',
} as const;

/** Parameters that are undefined or empty are left out. */
export function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) search.set(name, value);
  return search.size > 0 ? `${path}?${search}` : path;
}
