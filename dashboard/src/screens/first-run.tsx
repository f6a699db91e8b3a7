import { CopyButton } from '../components/copy-button.tsx';
import './first-run.css';

/** The command that sends a first event, to the server that this page came from. */
const firstEventCommand = () =>
  [
    `curl -X POST ${window.location.origin}/api/events \\`,
    `  -H 'content-type: application/json' \\`,
    `  -d '{"event_type": "user.signed_up", "payload": {"plan": "pro"}}'`,
  ].join('\n');

/**
 * Shown while nothing was ever sent. The live connection is open behind it: the first event turns it into the overview.
 */
export function FirstRun() {
  const command = firstEventCommand();
  return (
    <section className="first" aria-labelledby="first-title">
      <h1 id="first-title">Send your first event</h1>
      <p className="first-text">Run this in a terminal. The event shows up here the moment it is stored.</p>
      <div className="first-command">
        <pre>
          <code>{command}</code>
        </pre>
        <CopyButton text={command} name="Copy the command" />
      </div>
      <p className="first-waiting" role="status">
        <span className="first-pulse" aria-hidden="true" />
        Waiting for the first event
      </p>
    </section>
  );
}
