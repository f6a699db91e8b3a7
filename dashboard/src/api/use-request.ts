import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError } from './problem.ts';

export interface RequestState<Answer> {
  /** The newest answer to this key; stays while it is asked again. */
  readonly data: Answer | null;
  readonly error: ApiError | null;
  readonly isLoading: boolean;
  readonly reload: () => void;
}

export const asApiError = (error: unknown) =>
  error instanceof ApiError
    ? error
    : new ApiError('unknown', 0, error instanceof Error ? error.message : String(error));

const isAbort = (error: unknown) => error instanceof DOMException && error.name === 'AbortError';

/**
 * Asks when `key` or `version` changes and when `reload` is called; the answer before last is aborted.
 * @param key names what is asked for; an answer is only shown under its own key
 * @param version tells that the answer may be another by now; the one there is stays until then
 */
export function useRequest<Answer>(
  key: string,
  load: (signal: AbortSignal) => Promise<Answer>,
  version: string | number = 0,
): RequestState<Answer> {
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<{ key: string; turn: number; data: Answer | null; error: ApiError | null }>();
  const loadRef = useRef(load);
  loadRef.current = load;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version is a reason to ask again
  useEffect(() => {
    const controller = new AbortController();
    loadRef.current(controller.signal).then(
      (data) => !controller.signal.aborted && setState({ key, turn, data, error: null }),
      (error: unknown) => {
        if (isAbort(error) || controller.signal.aborted) return;
        setState((before) => ({
          key,
          turn,
          data: before?.key === key ? before.data : null,
          error: asApiError(error),
        }));
      },
    );
    return () => controller.abort();
  }, [key, turn, version]);

  const own = state?.key === key ? state : undefined;
  return {
    data: own?.data ?? null,
    error: own?.error ?? null,
    isLoading: own?.turn !== turn,
    reload: useCallback(() => setTurn((before) => before + 1), []),
  };
}
