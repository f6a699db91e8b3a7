import type { EventDetail, EventPage, EventView, LiveEvents } from '../../../src/http/contract.ts';

/** The shapes of the contract as this client holds them: a payload is its raw JSON text, so that no digit is lost. */
export type Event = Omit<EventView, 'payload'> & { readonly payload: string };
export type Events = Omit<EventPage, 'events'> & { readonly events: readonly Event[] };
export type WholeEvent = Omit<EventDetail, 'payload'> & { readonly payload: string | null };
export type LiveEventBatch = Omit<LiveEvents, 'events'> & { readonly events: readonly Event[] };
