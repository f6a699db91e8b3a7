import { InvalidArgumentError } from 'commander';

// Commander shows these errors with the option's name, and run-cli.ts turns them into exit code 2.

export function parseText(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

export function parseCountFromOne(text: string): number {
  const count = parseCount(text);
  if (count === 0) throw new InvalidArgumentError('It must be 1 or more.');
  return count;
}

export function parseRate(text: string): number {
  const rate = Number(text);
  if (text.trim() === '' || !Number.isFinite(rate) || rate < 0) throw new InvalidArgumentError('It must be a number.');
  return rate;
}

const unitSeconds = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `30`, `30s`, `5m`, `1.5h`: seconds where there is no unit. */
export function parseSeconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (!match) throw new InvalidArgumentError('It must be a time such as 30, 30s, 5m or 1h.');
  return Number(match[1]) * unitSeconds[(match[2] ?? 's') as keyof typeof unitSeconds];
}

/** For options that may be given more than once. */
export function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, parseText(text)];
}
