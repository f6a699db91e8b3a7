import { type ReactNode, useEffect, useRef } from 'react';
import type { ApiError } from '../api/problem.ts';
import { useLive } from '../live/live-provider.tsx';
import { Button } from './button.tsx';
import { Icon } from './icon.tsx';
import './states.css';

interface EmptyProps {
  readonly title: string;
  readonly children?: ReactNode;
}

/** Nothing to show, and why that is fine or what to do about it. */
export function Empty({ title, children }: EmptyProps) {
  return (
    <div className="state">
      <p className="state-title">{title}</p>
      {children && <div className="state-text">{children}</div>}
    </div>
  );
}

/** Asks again by itself when a server that was away is back. */
function useRetryWhenBack(error: ApiError, retry: (() => void) | undefined): void {
  const { state } = useLive('connection');
  const wasLive = useRef(state === 'live');
  useEffect(() => {
    const isLive = state === 'live';
    if (isLive && !wasLive.current && error.code === 'unreachable') retry?.();
    wasLive.current = isLive;
  }, [state, error, retry]);
}

export function Failure({ error, retry }: { readonly error: ApiError; readonly retry?: () => void }) {
  useRetryWhenBack(error, retry);
  return (
    <div className="state" role="alert">
      <p className="state-title state-bad">
        <Icon name="warning" /> {error.message}
      </p>
      {error.errors.length > 0 && (
        <ul className="state-text">
          {error.errors.map((item) => (
            <li key={`${item.path} ${item.code}`}>
              <code>{item.path || '/'}</code> {item.message}
            </li>
          ))}
        </ul>
      )}
      {retry && (
        <Button icon="refresh" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Grey bars where rows will be: the page keeps its shape while it waits. */
export function Loading({ rows = 3, what }: { readonly rows?: number; readonly what: string }) {
  return (
    <div className="loading" role="status">
      <span className="visually-hidden">Loading {what}</span>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows of a placeholder have nothing else
        <span key={row} className="loading-bar" />
      ))}
    </div>
  );
}
