import type { Refusal, RefusalCode } from './ingest-answer.ts';

export function refuse(
  code: RefusalCode,
  detail: string,
  more: Partial<Pick<Refusal, 'events' | 'problems' | 'results'>> = {},
): Refusal {
  return { kind: 'refused', code, detail, events: 0, problems: [], results: null, ...more };
}
