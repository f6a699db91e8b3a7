import { Badge, type Tone } from '../components/badge.tsx';
import { useNow } from '../components/use-now.ts';
import { formatDuration } from '../format/times.ts';
import type { Connection } from '../live/live-client.ts';
import { useLive } from '../live/live-provider.tsx';

const words: Record<Connection['state'], { readonly tone: Tone; readonly text: string; readonly explained: string }> = {
  connecting: { tone: 'plain', text: 'Connecting', explained: 'Opening the live connection' },
  live: { tone: 'good', text: 'Live', explained: 'Every number on this page is of this moment' },
  stale: { tone: 'warn', text: 'Stale', explained: 'Connected, but no news has come for this long' },
  reconnecting: { tone: 'bad', text: 'Reconnecting', explained: 'The server does not answer; trying again and again' },
  paused: { tone: 'plain', text: 'Paused', explained: 'The page was hidden; it goes on when it is shown' },
};

/** The state is announced; the seconds beside it are not, or a screen reader would count along. */
export function ConnectionMark() {
  const connection = useLive('connection');
  const { tone, text, explained } = words[connection.state];
  const since = 'since' in connection ? connection.since : null;
  const now = useNow(since !== null);
  return (
    <span className="connection" title={explained}>
      <Badge tone={tone}>
        <span role="status" aria-label="Connection">
          {text}
        </span>
        {since !== null && <span aria-hidden="true">{formatDuration(now - since)}</span>}
      </Badge>
    </span>
  );
}
