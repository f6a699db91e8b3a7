import type { FailedEventSummary } from '../../../../src/http/contract.ts';
import type { Tone } from '../../components/badge.tsx';

export type FailedState = FailedEventSummary['state'];

export const failedStates: Record<FailedState, { readonly text: string; readonly tone: Tone }> = {
  open: { text: 'Open', tone: 'warn' },
  redriving: { text: 'Redriving', tone: 'accent' },
  resolved: { text: 'Resolved', tone: 'good' },
  discarded: { text: 'Discarded', tone: 'plain' },
};

/** Reason codes of the store path, with the words for them. */
export const reasons: Readonly<Record<string, string>> = {
  conflict: 'Same id, other content',
  invalid_json: 'Not JSON',
  invalid_utf8: 'Not UTF-8',
  invalid_event: 'Not a valid event',
  missing_id: 'No id',
  event_too_large: 'Too large',
  nested_too_deep: 'Nested too deep',
  unsupported_value: 'A value that cannot be kept',
  rejected_by_store: 'Refused by the store',
};

/** Its id belongs to an event that is stored, with other content. */
export const isConflict = ({ reason }: Pick<FailedEventSummary, 'reason'>) => reason.code === 'conflict';

export const reasonText = (code: string) => reasons[code] ?? code;
