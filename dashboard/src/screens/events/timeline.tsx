import type { TimelineEntry } from '../../../../src/http/contract.ts';
import { Moment } from '../../components/moment.tsx';

const tones: Partial<Record<TimelineEntry['what'], 'good' | 'bad'>> = {
  stored: 'good',
  resolved: 'good',
  failed: 'bad',
};

/** What happened to an event, oldest first. */
export function Timeline({ entries }: { readonly entries: readonly TimelineEntry[] }) {
  return (
    <ol className="timeline">
      {entries.map((entry) => (
        <li
          key={`${entry.at} ${entry.what} ${entry.partition} ${entry.offset}`}
          className={`timeline-step ${tones[entry.what] ? `timeline-${tones[entry.what]}` : ''}`}
        >
          <span className="timeline-what">{entry.what}</span>
          <span className="soft">
            <Moment at={entry.at} />
          </span>
          {entry.offset !== undefined && (
            <span className="faint">
              partition {entry.partition}, offset {entry.offset}
            </span>
          )}
          {entry.note && <span className="soft">{entry.note}</span>}
        </li>
      ))}
    </ol>
  );
}
