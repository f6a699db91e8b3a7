import { describe } from 'vitest';
import { appendCases } from './event-log.contract.append.ts';
import { damageCases } from './event-log.contract.damage.ts';
import { groupCases } from './event-log.contract.group.ts';
import type { DamageableLogHarness, MakeEventLogHarness } from './event-log.contract.harness.ts';
import { streamCases } from './event-log.contract.stream.ts';
import { trimCases } from './event-log.contract.trim.ts';

/** Holds an implementation of EventLog to the contract in event-log/event-log.ts. Call it in a test file. */
export function eventLogContract(name: string, makeHarness: MakeEventLogHarness): void {
  describe(`EventLog contract: ${name}`, () => {
    appendCases(makeHarness);
    streamCases(makeHarness);
    trimCases(makeHarness);
    groupCases(makeHarness);
  });
}

/** The part of it for which a test has to get at the log's bytes. */
export function eventLogDamageContract(
  name: string,
  makeHarness: (options: { readonly partitions: number }) => Promise<DamageableLogHarness>,
): void {
  describe(`EventLog contract of damage: ${name}`, () => damageCases(makeHarness));
}
