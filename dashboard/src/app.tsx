import { Route, Switch } from 'wouter';
import { JobsProvider } from './jobs/jobs-provider.tsx';
import { LiveProvider } from './live/live-provider.tsx';
import { useDetail } from './routing/use-detail.ts';
import { useWindow } from './routing/use-window.ts';
import { EventDrawer } from './screens/events/event-drawer.tsx';
import { EventsScreen } from './screens/events/events-screen.tsx';
import { FailedDrawer } from './screens/failed/failed-drawer.tsx';
import { FailedScreen } from './screens/failed/failed-screen.tsx';
import { LedgerScreen } from './screens/ledger/ledger-screen.tsx';
import { NotFound } from './screens/not-found.tsx';
import { OverviewScreen } from './screens/overview/overview-screen.tsx';
import { Shell } from './shell/shell.tsx';

export function App() {
  const [window] = useWindow();
  const { page } = useDetail();
  return (
    <LiveProvider window={window}>
      <JobsProvider>
        <Shell page={page}>
          <Switch location={page}>
            <Route path="/">
              <OverviewScreen />
            </Route>
            <Route path="/events">
              <EventsScreen />
            </Route>
            <Route path="/failed">
              <FailedScreen />
            </Route>
            <Route path="/ledger">
              <LedgerScreen />
            </Route>
            <Route>
              <NotFound />
            </Route>
          </Switch>
          <Route path="/events/:id">{({ id }) => <EventDrawer key={id} id={decodeURIComponent(id)} />}</Route>
          <Route path="/failed/:id">{({ id }) => <FailedDrawer key={id} id={decodeURIComponent(id)} />}</Route>
        </Shell>
      </JobsProvider>
    </LiveProvider>
  );
}
