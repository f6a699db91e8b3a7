import type { Position } from './event.ts';
import type { RejectionCode } from './failure.ts';

export type InboxState = 'open' | 'redriving' | 'resolved' | 'discarded';

/** How a row that is no longer open was settled. */
export type InboxResolution =
  | { readonly kind: 'stored' | 'duplicate'; readonly eventId: string }
  | { readonly kind: 'failed_again'; readonly inboxId: string }
  | { readonly kind: 'discarded' };

/** A record that could not be stored, whole, with the reason. The inbox row is the truth about a failed record. */
export interface InboxEntry {
  /** `{consumer}:{log_no}:{partition}:{offset}` */
  readonly id: string;
  readonly consumer: string;
  readonly position: Position;
  readonly state: InboxState;
  readonly code: RejectionCode;
  readonly message: string;
  /** 1 for the first failure; each redrive that fails again adds one. */
  readonly attempt: number;
  /** Known only as far as the record could be read. */
  readonly eventId: string | null;
  readonly eventType: string | null;
  readonly key: string | null;
  /** The record's value, byte for byte. */
  readonly value: Uint8Array;
  readonly receivedAt: number;
  readonly failedAt: number;
  /** The name its rollups are counted under. */
  readonly countedAs: string;
  readonly jobId: string | null;
  readonly resolution: InboxResolution | null;
  readonly settledAt: number | null;
}

/** The store path's consumer name; fixed, whatever the Kafka group is called, since stored positions carry it. */
export const storeConsumer = 'store';

export function inboxId(consumer: string, { logNo, partition, offset }: Position): string {
  return `${consumer}:${logNo}:${partition}:${offset}`;
}
