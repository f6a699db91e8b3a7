import { useEffect, useState } from 'react';
import { Button } from '../../components/button.tsx';
import { SelectField, TextField } from '../../components/field.tsx';
import { useLive } from '../../live/live-provider.tsx';
import { useQuery } from '../../routing/use-query.ts';
import { isWindowName, windowNames, windows } from '../../routing/windows.ts';
import './filters.css';
import { fromLocalField, toLocalField } from './time-spans.ts';

const suggestionsMax = 200;

export function EventFilters() {
  const [query, change] = useQuery();
  const snapshot = useLive('snapshot');
  const types = snapshot?.metrics?.all_time.by_type.slice(0, suggestionsMax).map((type) => type.event_type);
  const last = query.get('last');
  const hasSpan = query.has('from') || query.has('to');
  const [isCustom, setIsCustom] = useState(hasSpan);
  const span = isWindowName(last) ? last : isCustom || hasSpan ? 'custom' : '';

  const chooseSpan = (chosen: string) => {
    setIsCustom(chosen === 'custom');
    const from = isWindowName(last) ? new Date(Date.now() - windows[last].lengthMs).toISOString() : undefined;
    if (chosen === 'custom') change({ last: undefined, from });
    else change({ last: chosen, from: undefined, to: undefined });
  };

  const hasFilter = ['event_type', 'id', 'source', 'last', 'from', 'to'].some((name) => query.has(name));
  return (
    <search className="filters" aria-label="Filter events">
      <LazyTextField label="Type" name="event_type" placeholder="Any type" suggestions={types} />
      <LazyTextField label="Id" name="id" placeholder="Any id" />
      <LazyTextField label="Source" name="source" placeholder="Any source" />
      <SelectField label="Received" value={span} onChange={chooseSpan}>
        <option value="">Any time</option>
        {windowNames.map((name) => (
          <option key={name} value={name}>
            Last {windows[name].label}
          </option>
        ))}
        <option value="custom">Custom range</option>
      </SelectField>
      {span === 'custom' && (
        <>
          <SpanField label="From" name="from" />
          <SpanField label="To" name="to" />
        </>
      )}
      {hasFilter && (
        <Button
          look="quiet"
          icon="close"
          className="filters-clear"
          onClick={() => {
            setIsCustom(false);
            change({
              event_type: undefined,
              id: undefined,
              source: undefined,
              last: undefined,
              from: undefined,
              to: undefined,
            });
          }}
        >
          Clear
        </Button>
      )}
    </search>
  );
}

interface LazyTextFieldProps {
  readonly label: string;
  readonly name: string;
  readonly placeholder: string;
  readonly suggestions?: readonly string[];
}

/** Filters by whole values, so it asks when the reader has finished: on Enter, on leaving, or on a suggestion. */
export function LazyTextField({ label, name, placeholder, suggestions }: LazyTextFieldProps) {
  const [query, change] = useQuery();
  const applied = query.get(name) ?? '';
  const [typed, setTyped] = useState(applied);
  useEffect(() => setTyped(applied), [applied]);
  const apply = (value: string) => value.trim() !== applied && change({ [name]: value.trim() });
  return (
    <TextField
      label={label}
      placeholder={placeholder}
      suggestions={suggestions}
      value={typed}
      onChange={({ target }) => {
        setTyped(target.value);
        if (suggestions?.includes(target.value) || target.value === '') apply(target.value);
      }}
      onBlur={() => apply(typed)}
      onKeyDown={(key) => key.key === 'Enter' && apply(typed)}
    />
  );
}

function SpanField({ label, name }: { readonly label: string; readonly name: 'from' | 'to' }) {
  const [query, change] = useQuery();
  return (
    <TextField
      label={label}
      className="field-span"
      type="datetime-local"
      step={1}
      value={toLocalField(query.get(name))}
      onChange={({ target }) => change({ [name]: fromLocalField(target.value) })}
    />
  );
}
