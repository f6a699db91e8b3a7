import { afterEach, beforeEach, expect } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { isSameJson } from '../domain/json-value.ts';
import type { EventStore } from '../event-store/event-store.ts';

/** One store of its own for each case. */
export interface EventStoreHarness {
  /** The first call makes the store; a later one opens what is there, after the handle before was closed. */
  open(options?: { readonly eventTypesMax?: number }): Promise<EventStore>;
  /** Another handle on the same store, as the API has one beside the worker's. */
  openClient(): Promise<EventStore>;
  /** Runs SQL behind the store's back. Tables and columns have the same names in every implementation. */
  execute(sql: string): Promise<void>;
  /** Closes what is open and removes the store. */
  dispose(): Promise<void>;
}

export type MakeEventStoreHarness = () => Promise<EventStoreHarness>;

export interface StoreUnderTest {
  readonly harness: EventStoreHarness;
  readonly store: EventStore;
}

/** Registers a fresh store for each case of the enclosing describe. Answers a way to get at it. */
export function useStore(makeHarness: MakeEventStoreHarness): () => StoreUnderTest {
  let current: StoreUnderTest;
  beforeEach(async () => {
    const harness = await makeHarness();
    current = { harness, store: await harness.open() };
  });
  afterEach(() => current.harness.dispose());
  return () => current;
}

/** As values: a store may spell them in its own way. */
export function expectSameJson(actual: string, expected: string): void {
  expect(isSameJson(actual, expected), `${actual} is not ${expected}`).toBe(true);
}

export async function expectClean(store: EventStore): Promise<void> {
  expect(await store.verify(storeConsumer)).toEqual([]);
}
