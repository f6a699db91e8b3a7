const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 4 });
const oneDecimal = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const significant = new Intl.NumberFormat('en', { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });

/** What stands where a number is not known. */
export const noNumber = '–';

/** Every digit with separators, up to a billion; beyond that four significant digits. */
export function formatCount(count: number): string {
  return Math.abs(count) < 1e9 ? whole.format(count) : compact.format(count);
}

/** Events per second. */
export function formatRate(perSecond: number): string {
  if (perSecond === 0) return '0';
  if (perSecond < 0.01) return '<0.01';
  if (perSecond < 1) return perSecond.toFixed(2);
  return perSecond < 100 ? oneDecimal.format(perSecond) : formatCount(perSecond);
}

/** For an axis: as short as it can be without lying about a tick. */
export function formatTick(value: number): string {
  return value < 10_000 ? String(Number(value.toPrecision(4))) : compact.format(value);
}

/** Splits number and unit, so that a headline can set them in two sizes. */
export function splitLatency(latencyMs: number | null): { readonly value: string; readonly unit: string } {
  if (latencyMs === null) return { value: noNumber, unit: '' };
  if (latencyMs < 1) return { value: '<1', unit: 'ms' };
  if (latencyMs < 10) return { value: oneDecimal.format(latencyMs), unit: 'ms' };
  if (latencyMs < 1_000) return { value: whole.format(latencyMs), unit: 'ms' };
  if (latencyMs < 100_000) return { value: significant.format(latencyMs / 1_000), unit: 's' };
  return { value: oneDecimal.format(latencyMs / 60_000), unit: 'min' };
}

export function formatLatency(latencyMs: number | null): string {
  const { value, unit } = splitLatency(latencyMs);
  return unit === '' ? value : `${value} ${unit}`;
}

/** For an axis, where ticks are round numbers already. */
export function formatLatencyTick(latencyMs: number): string {
  if (latencyMs === 0) return '0';
  return latencyMs < 1_000 ? `${formatTick(latencyMs)} ms` : `${formatTick(latencyMs / 1_000)} s`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${whole.format(bytes)} B`;
  if (bytes < 1_024 ** 2) return `${oneDecimal.format(bytes / 1_024)} KiB`;
  return `${oneDecimal.format(bytes / 1_024 ** 2)} MiB`;
}

/** A share of a whole. Never 0 % of something, never 100 % of not all. */
export function formatShare(part: number, total: number): string {
  if (total === 0 || part === 0) return '0 %';
  if (part === total) return '100 %';
  const percent = (part / total) * 100;
  if (percent < 0.1) return '<0.1 %';
  if (percent > 99.9) return '>99.9 %';
  return percent < 10 ? `${oneDecimal.format(percent)} %` : `${whole.format(Math.min(99, percent))} %`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
