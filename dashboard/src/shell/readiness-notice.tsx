import { Icon } from '../components/icon.tsx';
import { useLive } from '../live/live-provider.tsx';

/** What the server says is missing, with its own words on how to mend it. */
export function ReadinessNotice() {
  const snapshot = useLive('snapshot');
  if (!snapshot || snapshot.readiness.ready) return null;
  return (
    <div className="notice" role="alert">
      <Icon name="warning" />
      <div>
        <strong>The server is not ready.</strong>
        <ul>
          {snapshot.readiness.reasons.map(({ code, message }) => (
            <li key={`${code} ${message}`}>{message}</li>
          ))}
        </ul>
      </div>
    </div>
  );
}
