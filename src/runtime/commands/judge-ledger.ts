import type { Finding } from '../compose/finding.ts';

export interface LedgerNumbers {
  readonly stored: number;
  readonly duplicate: number;
  readonly failed: number;
  readonly lost: number;
  readonly inFlight: number;
  readonly openInInbox: number;
  readonly balanced: boolean;
}

/** @param logKept how long the log keeps records, for a person */
export function judgeLedger(ledger: LedgerNumbers, logKept: string): readonly Finding[] {
  const { stored, duplicate, failed, lost, inFlight, openInInbox } = ledger;
  const numbers =
    `${formatCount(stored)} stored, ${formatCount(duplicate)} duplicates, ${formatCount(failed)} failed, ` +
    `${formatCount(inFlight)} on their way`;
  const findings: Finding[] = [
    ledger.balanced
      ? { level: 'ok', what: `every event is accounted for: ${numbers}` }
      : {
          level: 'problem',
          what: `the ledger does not balance: ${numbers}, ${formatCount(lost)} lost`,
          advice: ['stop the server, run esp verify, and report what it says'],
        },
  ];
  if (lost > 0) {
    findings.push({
      level: 'warning',
      what: `${formatCount(lost)} records are lost: they had left the log before they were processed, or were damaged and given up`,
      advice: [`the log keeps ${logKept}: was nothing processed for longer?`],
    });
  }
  if (openInInbox > 0) {
    findings.push({
      level: 'warning',
      what: `${formatCount(openInInbox)} failed event${openInInbox === 1 ? ' waits' : 's wait'} in the inbox`,
      advice: ['esp failed list, then esp failed redrive or esp failed discard'],
    });
  }
  return findings;
}

function formatCount(count: number): string {
  return count.toLocaleString('en');
}
