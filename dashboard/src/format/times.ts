import { plural } from './numbers.ts';

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});
const shortClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hour12: false });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const dayAndYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });

/** 14:03:22 */
export const formatClock = (at: number) => clock.format(at);
/** 14:03 */
export const formatShortClock = (at: number) => shortClock.format(at);
/** 21 Nov */
export const formatDay = (at: number) => day.format(at);

/** UTC, UTC+1, UTC-3:30; `aheadMinutes` of UTC. */
export function formatZone(aheadMinutes: number): string {
  if (aheadMinutes === 0) return 'UTC';
  const [hours, minutes] = [Math.floor(Math.abs(aheadMinutes) / 60), Math.abs(aheadMinutes) % 60];
  return `UTC${aheadMinutes < 0 ? '-' : '+'}${hours}${minutes === 0 ? '' : `:${String(minutes).padStart(2, '0')}`}`;
}

/**
 * 14:03:22.041 today, 21 Nov 14:03:22.041 earlier; in the reader's time zone.
 * @param now null: day, year and time zone in any case
 */
export function formatMoment(at: string, now: number | null): string {
  const time = Date.parse(at);
  const text = `${clock.format(time)}.${String(time % 1_000).padStart(3, '0')}`;
  if (now === null) return `${dayAndYear.format(time)} ${text} ${formatZone(-new Date(time).getTimezoneOffset())}`;
  if (new Date(time).toDateString() === new Date(now).toDateString()) return text;
  const isThisYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return `${(isThisYear ? day : dayAndYear).format(time)} ${text}`;
}

/** The same to the second, for times that have no finer part. */
export const formatSecond = (at: string, now: number | null) => formatMoment(at, now).slice(0, -'.000'.length);

/** The beginning of a step, as fine as steps of this length ask for: 14:03:20, 14:03, 21 Nov 14:00. */
export function formatStep(at: number, stepSeconds: number): string {
  if (stepSeconds < 60) return clock.format(at);
  return stepSeconds < 3_600 ? shortClock.format(at) : `${day.format(at)} ${shortClock.format(at)}`;
}

/** 10 seconds, 1 minute, 15 minutes, 1 hour. */
export function stepLength(stepSeconds: number): string {
  if (stepSeconds < 60) return plural(stepSeconds, 'second');
  return stepSeconds < 3_600 ? plural(stepSeconds / 60, 'minute') : plural(stepSeconds / 3_600, 'hour');
}

/** 8 s, 3 min, 2 h, 5 d; whole units, rounded down. */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** How far the store is behind: under ten seconds with a decimal. */
export function formatLag(lagSeconds: number): string {
  if (lagSeconds === 0) return '0 s';
  return lagSeconds < 10 ? `${Math.max(0.1, lagSeconds).toFixed(1)} s` : formatDuration(lagSeconds * 1_000);
}
