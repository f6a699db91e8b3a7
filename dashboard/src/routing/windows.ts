/** The windows that /api/metrics knows, with the words for them. */
export const windows = {
  '5m': { label: '5 minutes', lengthMs: 300_000 },
  '15m': { label: '15 minutes', lengthMs: 900_000 },
  '1h': { label: 'hour', lengthMs: 3_600_000 },
  '6h': { label: '6 hours', lengthMs: 21_600_000 },
  '24h': { label: '24 hours', lengthMs: 86_400_000 },
  '7d': { label: '7 days', lengthMs: 604_800_000 },
} as const;

export type WindowName = keyof typeof windows;

export const windowNames = Object.keys(windows) as readonly WindowName[];
export const windowDefault: WindowName = '15m';

export const isWindowName = (name: string | null): name is WindowName => name !== null && name in windows;
