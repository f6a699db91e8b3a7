import { createWorld, kinds, type Order, orderPayload, orderSteps, type SeedEvent } from './seed-catalog.ts';
import { createSeededRandom } from './seed-random.ts';

/** What a line of the traffic is meant to be; the server decides what becomes of it. */
export type Intent = 'new' | 'duplicate' | 'conflict' | 'invalid';

export interface SeedLine {
  readonly intent: Intent;
  /** One line of NDJSON. */
  readonly bytes: Uint8Array;
}

export interface TrafficOptions {
  readonly seed: number;
  /** Milliseconds since the epoch; each event happened a little before it is sent. */
  readonly now: () => number;
  /** Shares of all lines, from 0 to 1. */
  readonly duplicates: number;
  readonly conflicts: number;
  readonly invalid: number;
}

/** Events that may be sent again: enough that some repeats come late. */
const rememberedMax = 2_000;
const orderShare = 0.12;

/** An endless shop: the same seed and clock give the same lines. */
export function createTraffic({ seed, now, duplicates, conflicts, invalid }: TrafficOptions) {
  const random = createSeededRandom(seed);
  const world = createWorld(random);
  const totalWeight = kinds.reduce((sum, { weight }) => sum + weight, 0);
  /** Steps that orders still have to take, by the number of the line from which they may come. */
  const dueSteps: { from: number; step: number; order: Order }[] = [];
  const remembered: SeedEvent[] = [];
  let lineNo = 0;
  let orders = 0;

  function event(type: string, source: string, key: string, payload: Record<string, unknown>): SeedEvent {
    // Most things are told at once; phones that were offline tell some of them much later.
    const lateMs = random.chance(0.01) ? random.exponential() * 1_800_000 : random.exponential() * 80;
    const occurredAt = new Date(Math.floor(now() - lateMs)).toISOString();
    return { id: random.uuid(), event_type: type, source, key, occurred_at: occurredAt, payload };
  }

  function everyday(): SeedEvent {
    let left = random.number() * totalWeight;
    const kind = kinds.find(({ weight }) => (left -= weight) < 0) ?? kinds[0]!;
    const customer = random.pickSkewed(world.customers);
    const { key, payload } = kind.build(random, world, customer);
    const about = key === undefined ? { customer_id: customer.id, ...payload } : payload;
    return event(kind.type, kind.source ?? customer.device, key ?? customer.id, about);
  }

  function placeOrder(): SeedEvent {
    const lines = Array.from({ length: random.integer(1, 4) }, () => {
      const { sku, cents } = random.pickSkewed(world.products);
      return { sku, quantity: random.integer(1, 3), cents };
    });
    const order: Order = {
      id: `ord_${seed.toString(36)}_${(++orders).toString().padStart(6, '0')}`,
      customer: random.pickSkewed(world.customers),
      totalCents: lines.reduce((sum, { quantity, cents }) => sum + quantity * cents, 0),
      lines,
    };
    return takeStep(order, 0);
  }

  function takeStep(order: Order, step: number): SeedEvent {
    const declined = orderSteps[step] === 'payment.authorized' && random.chance(0.06);
    const type = declined ? 'payment.declined' : orderSteps[step]!;
    if (!declined && step + 1 < orderSteps.length) {
      dueSteps.push({ from: lineNo + random.integer(5, 120), step: step + 1, order });
    }
    const source = type.startsWith('payment.') ? 'payments' : step === 0 ? order.customer.device : 'warehouse';
    return event(type, source, order.id, orderPayload(type, order, random));
  }

  function fresh(): SeedEvent {
    const due = dueSteps.findIndex(({ from }) => from <= lineNo);
    if (due !== -1) {
      const [{ order, step }] = dueSteps.splice(due, 1) as [(typeof dueSteps)[number]];
      return takeStep(order, step);
    }
    // Each order makes nearly four more events, so new ones are a fraction of their share.
    return random.chance(orderShare / orderSteps.length) ? placeOrder() : everyday();
  }

  function remember(event: SeedEvent): void {
    if (remembered.length < rememberedMax) remembered.push(event);
    else remembered[random.integer(0, rememberedMax - 1)] = event;
  }

  function line(intent: Intent, value: unknown): SeedLine {
    return { intent, bytes: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) };
  }

  function spoiled(): unknown {
    const { event_type: type, ...rest } = everyday();
    return random.pick([
      () => rest,
      () => ({ ...rest, event_type: type, payload: 'not an object' }),
      () => ({ ...rest, event_type: type, occurred_at: 'yesterday' }),
      () => ({ ...rest, event_type: type, colour: 'blue' }),
      () => `${JSON.stringify({ ...rest, event_type: type }).slice(0, -5)}`,
    ])();
  }

  return {
    next(): SeedLine {
      lineNo += 1;
      const draw = random.number();
      if (draw < invalid) return line('invalid', spoiled());
      if (remembered.length > 0 && draw < invalid + duplicates) return line('duplicate', random.pick(remembered));
      if (remembered.length > 0 && draw < invalid + duplicates + conflicts) {
        const original = random.pick(remembered);
        return line('conflict', { ...original, payload: { ...original.payload, corrected: true } });
      }
      const made = fresh();
      remember(made);
      return line('new', made);
    },
  };
}
