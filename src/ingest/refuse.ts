import type { JsonProblem } from '../domain/json-problem.ts';
import type { EventResult, Refusal, RefusalCode } from './ingest-answer.ts';

export function refuse(
  code: RefusalCode,
  detail: string,
  more: { readonly problems?: readonly JsonProblem[]; readonly results?: readonly EventResult[] } = {},
): Refusal {
  return { kind: 'refused', code, detail, problems: more.problems ?? [], results: more.results ?? null };
}
