import { useSyncExternalStore } from 'react';

export type ThemeChoice = 'system' | 'light' | 'dark';

/** Shared with public/theme.js, which applies the choice before the first paint. */
const storageKey = 'esp-theme';
const listeners = new Set<() => void>();
const darkQuery = matchMedia('(prefers-color-scheme: dark)');

/** One string for all that a drawn chart depends on: the choice, and what the system says. */
function currentState(): string {
  return `${document.documentElement.dataset.theme ?? 'system'} ${darkQuery.matches ? 'dark' : 'light'}`;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  darkQuery.addEventListener('change', listener);
  return () => {
    listeners.delete(listener);
    darkQuery.removeEventListener('change', listener);
  };
}

export function setTheme(choice: ThemeChoice): void {
  if (choice === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  try {
    if (choice === 'system') localStorage.removeItem(storageKey);
    else localStorage.setItem(storageKey, choice);
  } catch {
    // Storage may be refused; the choice then lasts as long as the page.
  }
  for (const listener of listeners) listener();
}

/** `shown` is what is on the screen, whether it was chosen or is the system's. */
export function useTheme(): { readonly choice: ThemeChoice; readonly shown: 'light' | 'dark' } {
  const [choice, system] = useSyncExternalStore(subscribe, currentState).split(' ') as [ThemeChoice, 'light' | 'dark'];
  return { choice, shown: choice === 'system' ? system : choice };
}
