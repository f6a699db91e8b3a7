import { useMemo } from 'react';
import type { FailedEventDetail } from '../../../../src/http/contract.ts';
import { api } from '../../api/request.ts';
import type { WholeEvent } from '../../api/shapes.ts';
import { useRequest } from '../../api/use-request.ts';
import { differencesOf, type JsonDifference } from '../../json/json-differences.ts';
import { parseWithRawPayloads, problemOfJson } from '../../json/json-text.ts';
import './failed.css';

/** More are no help to anybody who compares. */
const rowsMax = 50;

/** In what a conflict is not the event that is stored under its id. Nothing where that one is not there any more. */
export function ConflictDifferences({
  failed,
}: {
  readonly failed: FailedEventDetail & { readonly event_id: string };
}) {
  const { data: stored } = useRequest(`event ${failed.event_id}`, (signal) => api.event(failed.event_id, signal));
  const differences = useMemo(() => (stored ? compare(stored, failed) : []), [stored, failed]);
  if (differences.length === 0) return null;
  return (
    <section className="detail-section">
      <h3>What differs</h3>
      <table className="differences">
        <thead>
          <tr>
            <th scope="col">
              <span className="visually-hidden">Where</span>
            </th>
            <th scope="col">Stored</th>
            <th scope="col">Failed</th>
          </tr>
        </thead>
        <tbody>
          {differences.slice(0, rowsMax).map(({ path, before, after }) => (
            <tr key={path}>
              <th scope="row">{path}</th>
              <td>{before ?? <span className="faint">nothing</span>}</td>
              <td>{after ?? <span className="faint">nothing</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {differences.length > rowsMax && <p className="box-text">and {differences.length - rowsMax} more</p>}
    </section>
  );
}

/** What makes the content of an event: its type, source, time and payload. */
interface Content {
  readonly event_type?: string | null;
  readonly source?: string | null;
  readonly occurred_at?: string | null;
  readonly payload?: string | null;
}

function compare(stored: WholeEvent, { value }: FailedEventDetail): readonly JsonDifference[] {
  if (value === null || problemOfJson(value) !== null) return [];
  return differencesOf(contentText(stored), contentText(parseWithRawPayloads(value) as Content));
}

function contentText({ event_type, source, occurred_at, payload }: Content): string {
  const fields = Object.entries({ event_type, source, occurred_at }).filter(([, value]) => value != null);
  const texts = fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{${[...texts, `"payload":${payload ?? 'null'}`].join(',')}}`;
}
