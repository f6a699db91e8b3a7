import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { formatCount } from '../format/numbers.ts';
import { useLive } from '../live/live-provider.tsx';
import { paths, withQuery } from '../routing/paths.ts';
import { useWindow } from '../routing/use-window.ts';
import { windowDefault } from '../routing/windows.ts';
import { ConnectionMark } from './connection-mark.tsx';
import { ReadinessNotice } from './readiness-notice.tsx';
import './shell.css';
import { ThemeButton } from './theme-button.tsx';

/** The frame around every screen. */
export function Shell({ page, children }: { readonly page: string; readonly children: ReactNode }) {
  const snapshot = useLive('snapshot');
  const { state } = useLive('connection');
  const [window] = useWindow();
  const openCount = snapshot?.ledger?.open_in_inbox ?? 0;
  const isUnbalanced = snapshot?.ledger?.balanced === false;
  const overview = withQuery(paths.overview, { window: window === windowDefault ? undefined : window });

  const tab = (path: string, href: string, name: string, mark?: ReactNode) => (
    <li>
      <Link href={href} className="tab" aria-current={page === path ? 'page' : undefined}>
        {name}
        {mark}
      </Link>
    </li>
  );

  return (
    <>
      <a className="skip-link" href="#main">
        Skip to the content
      </a>
      <header className="shell-head">
        <div className="shell-row">
          <Link href={overview} className="brand" aria-label="Event Stream Processor, overview">
            <BrandMark />
            <span className="brand-name">Event Stream Processor</span>
          </Link>
          <nav className="tabs" aria-label="Pages">
            <ul>
              {tab(paths.overview, overview, 'Overview')}
              {tab(paths.events, paths.events, 'Events')}
              {tab(
                paths.failed,
                paths.failed,
                'Failed',
                openCount > 0 && (
                  <span className="tab-count">
                    <span className="visually-hidden">, open: </span>
                    {formatCount(openCount)}
                  </span>
                ),
              )}
              {tab(
                paths.ledger,
                paths.ledger,
                'Ledger',
                isUnbalanced && <span className="tab-count tab-count-bad">unbalanced</span>,
              )}
            </ul>
          </nav>
          <div className="shell-tools">
            <ConnectionMark />
            <ThemeButton />
          </div>
        </div>
      </header>
      <main id="main" className="shell-main" data-connection={state} tabIndex={-1}>
        <ReadinessNotice />
        {children}
      </main>
    </>
  );
}

/** One whole bar over the parts it falls into: the ledger's equation. */
function BrandMark() {
  return (
    <svg className="brand-mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <rect className="brand-whole" x="2" y="6" width="20" height="5" rx="2.5" />
      <rect className="brand-part" x="2" y="13.5" width="10" height="5" rx="2.5" />
      <rect className="brand-part" x="13.5" y="13.5" width="5" height="5" rx="2.5" />
      <rect className="brand-part" x="20" y="13.5" width="2" height="5" rx="1" />
    </svg>
  );
}
