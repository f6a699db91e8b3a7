import type { ProblemDocument } from '../../../src/http/contract.ts';

/** Why a request has no answer, in words for a person. */
export class ApiError extends Error {
  /** The stable code of the problem document; `unreachable` where there was no answer at all. */
  readonly code: string;
  readonly status: number;
  readonly errors: NonNullable<ProblemDocument['errors']>;

  constructor(code: string, status: number, message: string, errors: NonNullable<ProblemDocument['errors']> = []) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.status = status;
    this.errors = errors;
  }
}

export const unreachable = () => new ApiError('unreachable', 0, 'The server does not answer. Is it running?');

/** Reads the answer to a failed request: a problem document, or whatever a proxy in between has sent. */
export function errorOf(status: number, body: string): ApiError {
  try {
    const problem = JSON.parse(body) as Partial<ProblemDocument>;
    const message = problem.detail || problem.title;
    if (message) return new ApiError(problem.code ?? 'unknown', status, message, problem.errors);
  } catch {
    // Not JSON: the status is all there is to tell.
  }
  return new ApiError('unknown', status, `The server answered with status ${status}.`);
}
