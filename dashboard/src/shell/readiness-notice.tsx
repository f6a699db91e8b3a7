import { Icon } from '../components/icon.tsx';
import { plural } from '../format/numbers.ts';
import { useLive } from '../live/live-provider.tsx';
import './readiness-notice.css';
import { groupReasons } from './reason-groups.ts';

/**
 * What the server says is missing, with its own words on how to mend it. It may be ready and still miss something, such
 * as a worker elsewhere: that is told too.
 */
export function ReadinessNotice() {
  const readiness = useLive('snapshot')?.readiness;
  if (!readiness || (readiness.ready && readiness.reasons.length === 0)) return null;
  return (
    <div className={`notice ${readiness.ready ? '' : 'notice-bad'}`} role="alert">
      <Icon name="warning" />
      <div className="notice-words">
        <strong>{readiness.ready ? 'The server works, but something is missing.' : 'The server is not ready.'}</strong>
        {groupReasons(readiness.reasons).map(({ code, first, others }) => (
          <div key={code}>
            <p>{first}</p>
            {others.length > 0 && (
              <details className="notice-others">
                <summary>{plural(others.length, 'more', 'more')} of this kind</summary>
                <ul>
                  {others.map((message) => (
                    <li key={message}>{message}</li>
                  ))}
                </ul>
              </details>
            )}
          </div>
        ))}
      </div>
    </div>
  );
}
