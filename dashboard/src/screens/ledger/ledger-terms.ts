import type { LedgerView } from '../../../../src/http/contract.ts';

interface LedgerTerm {
  readonly key: 'stored' | 'duplicate' | 'failed' | 'lost' | 'skipped' | 'in_flight';
  readonly name: string;
  readonly explained: string;
  /** More than none of these wants somebody's eye. */
  readonly isBad: boolean;
}

/** The right side of the equation: every appended record is exactly one of these. */
export const ledgerTerms: readonly LedgerTerm[] = [
  { key: 'stored', name: 'stored', explained: 'Events in the store, each once', isBad: false },
  {
    key: 'duplicate',
    name: 'duplicate',
    explained: 'Sent again with the same content, and not stored again',
    isBad: false,
  },
  {
    key: 'failed',
    name: 'failed',
    explained: 'Went to the inbox whole, with the reason; settled ones included',
    isBad: false,
  },
  { key: 'lost', name: 'lost', explained: 'Gone from the log before they could be read', isBad: true },
  {
    key: 'skipped',
    name: 'skipped',
    explained: "Places in the log that hold no data, such as Kafka's control records",
    isBad: false,
  },
  { key: 'in_flight', name: 'in flight', explained: 'Durable in the log, on their way to the store', isBad: false },
] satisfies readonly (LedgerTerm & { key: keyof LedgerView })[];
