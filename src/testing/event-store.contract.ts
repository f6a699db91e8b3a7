import { describe } from 'vitest';
import { claimCases } from './event-store.contract.claim.ts';
import { commitCases } from './event-store.contract.commit.ts';
import { failureCases } from './event-store.contract.failure.ts';
import type { MakeEventStoreHarness } from './event-store.contract.harness.ts';
import { inboxCases } from './event-store.contract.inbox.ts';
import { inboxRetentionCases } from './event-store.contract.inbox-retention.ts';
import { jobCases } from './event-store.contract.jobs.ts';
import { maintenanceCases } from './event-store.contract.maintenance.ts';
import { metricsCases } from './event-store.contract.metrics.ts';
import { pageCases } from './event-store.contract.pages.ts';
import { publicationCases } from './event-store.contract.publication.ts';
import { verifyCases } from './event-store.contract.verify.ts';

/** Holds an implementation of EventStore to the contract in event-store/event-store.ts. Call it in a test file. */
export function eventStoreContract(name: string, makeHarness: MakeEventStoreHarness): void {
  describe(name, () => {
    claimCases(makeHarness);
    commitCases(makeHarness);
    failureCases(makeHarness);
    inboxCases(makeHarness);
    inboxRetentionCases(makeHarness);
    jobCases(makeHarness);
    maintenanceCases(makeHarness);
    metricsCases(makeHarness);
    pageCases(makeHarness);
    publicationCases(makeHarness);
    verifyCases(makeHarness);
  });
}
