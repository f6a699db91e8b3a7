import type { ReactNode } from 'react';
import { Button } from '../../components/button.tsx';
import { SelectField } from '../../components/field.tsx';
import { useQuery } from '../../routing/use-query.ts';
import { LazyTextField } from '../events/event-filters.tsx';
import '../events/filters.css';
import { reasons } from './failed-states.ts';

/** Type and reason, kept in the address; `children` stands at the far end, for what is done with all that match. */
export function FailedFilters({ children }: { readonly children: ReactNode }) {
  const [query, change] = useQuery();
  const hasFilter = query.has('event_type') || query.has('reason');
  return (
    <search className="filters" aria-label="Filter failed events">
      <LazyTextField label="Type" name="event_type" placeholder="Any type" />
      <SelectField label="Reason" value={query.get('reason') ?? ''} onChange={(reason) => change({ reason })}>
        <option value="">Any reason</option>
        {Object.entries(reasons).map(([code, text]) => (
          <option key={code} value={code}>
            {text}
          </option>
        ))}
      </SelectField>
      {hasFilter && (
        <Button look="quiet" icon="close" onClick={() => change({ event_type: undefined, reason: undefined })}>
          Clear
        </Button>
      )}
      {children}
    </search>
  );
}
