import { isWindowName, windows } from '../../routing/windows.ts';

/** The times that a list is limited to: `last=1h`, counted back from now, or `from` and `to`. */
export function timeFilter(query: URLSearchParams, now: number): { readonly from?: string; readonly to?: string } {
  const last = query.get('last');
  if (isWindowName(last)) return { from: new Date(now - windows[last].lengthMs).toISOString() };
  return { from: query.get('from') ?? undefined, to: query.get('to') ?? undefined };
}

/** What a datetime-local field holds, which knows no time zone: the reader's own. */
export function toLocalField(at: string | null): string {
  const time = at === null ? Number.NaN : Date.parse(at);
  if (Number.isNaN(time)) return '';
  return new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export function fromLocalField(value: string): string | undefined {
  const time = new Date(value).getTime();
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
