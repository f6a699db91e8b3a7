import { describe } from 'vitest';
import { appendCases } from './event-log.contract.append.ts';
import { groupCases } from './event-log.contract.group.ts';
import type { MakeEventLogHarness } from './event-log.contract.harness.ts';
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
