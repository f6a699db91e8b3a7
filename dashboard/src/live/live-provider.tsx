import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import { api, apiPath } from '../api/request.ts';
import { createLiveClient, type LiveClient, type LiveState } from './live-client.ts';

const LiveContext = createContext<LiveClient | null>(null);

function createBrowserClient(window: string): LiveClient {
  return createLiveClient({
    window,
    now: Date.now,
    // A hidden page gets no frames; the state is then taken over when it is shown again.
    onFrame: (callback) => void requestAnimationFrame(callback),
    openSource: (shown) => new EventSource(apiPath('/live', { window: shown })),
    loadRecent: async () => (await api.events({}, undefined, AbortSignal.timeout(10_000))).events,
  });
}

/** Holds the live connection of the page, whichever screen is open. */
export function LiveProvider({ window, children }: { readonly window: string; readonly children: ReactNode }) {
  const [client, setClient] = useState<LiveClient | null>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the client is made once; a later window goes in by setWindow
  useEffect(() => {
    const made = createBrowserClient(window);
    const onVisibility = () => made.setVisible(document.visibilityState === 'visible');
    document.addEventListener('visibilitychange', onVisibility);
    globalThis.addEventListener('online', onVisibility);
    setClient(made);
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      globalThis.removeEventListener('online', onVisibility);
      made.close();
    };
  }, []);

  useEffect(() => client?.setWindow(window), [client, window]);

  return <LiveContext value={client}>{children}</LiveContext>;
}

const beforeFirst: LiveState = { connection: { state: 'connecting' }, snapshot: null, recent: [], leftOut: 0 };
const noSubscription = () => () => undefined;

/** One part of the live state; the caller is drawn again only when that part is another. */
export function useLive<Name extends keyof LiveState>(name: Name): LiveState[Name] {
  const client = useContext(LiveContext);
  return useSyncExternalStore(client?.subscribe ?? noSubscription, () => (client?.getState() ?? beforeFirst)[name]);
}
