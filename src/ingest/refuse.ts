import type { JsonProblem } from '../domain/json-problem.ts';
import { limits } from '../domain/limits.ts';
import type { EventResult, Refusal, RefusalCode } from './ingest-answer.ts';

export function refuse(
  code: RefusalCode,
  detail: string,
  more: { readonly problems?: readonly JsonProblem[]; readonly results?: readonly EventResult[] } = {},
): Refusal {
  const problems = more.problems ?? [];
  const unlisted = problems.length - limits.problemsListedMax;
  return {
    kind: 'refused',
    code,
    detail: unlisted > 0 ? `${detail} ${unlisted} more problems are not listed.` : detail,
    problems: unlisted > 0 ? problems.slice(0, limits.problemsListedMax) : problems,
    results: more.results ?? null,
  };
}
