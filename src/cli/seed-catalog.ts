import type { SeededRandom } from './seed-random.ts';

/** An event as a client would send it. */
export interface SeedEvent {
  readonly id: string;
  readonly event_type: string;
  readonly source: string;
  readonly key: string;
  readonly occurred_at: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface Customer {
  readonly id: string;
  readonly country: string;
  readonly plan: 'free' | 'team' | 'business';
  readonly device: 'web' | 'ios' | 'android';
}

export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly cents: number;
}

export interface World {
  readonly customers: readonly Customer[];
  readonly products: readonly Product[];
  readonly sensors: readonly string[];
}

export interface Order {
  readonly id: string;
  readonly customer: Customer;
  readonly totalCents: number;
  readonly lines: readonly { readonly sku: string; readonly quantity: number; readonly cents: number }[];
}

const countries = ['DE', 'FR', 'US', 'GB', 'NL', 'ES', 'IT', 'PL', 'SE', 'JP', 'BR', 'IN'] as const;
const adjectives = ['Oak', 'Steel', 'Linen', 'Clay', 'Cork', 'Brass', 'Wool', 'Glass'] as const;
const nouns = ['lamp', 'desk', 'chair', 'kettle', 'blanket', 'shelf', 'mug', 'clock', 'basket'] as const;

/** The people, things and places that events are about; they recur, so keys do. */
export function createWorld(random: SeededRandom): World {
  const customers = Array.from(
    { length: 500 },
    (_, index): Customer => ({
      id: `cus_${(index + 1).toString().padStart(5, '0')}`,
      country: random.pickSkewed(countries),
      plan: random.pickSkewed(['free', 'team', 'business'] as const),
      device: random.pickSkewed(['web', 'ios', 'android'] as const),
    }),
  );
  const products = adjectives.flatMap((adjective, i) =>
    nouns.map(
      (noun, j): Product => ({
        sku: `SKU-${i + 1}${(j + 1).toString().padStart(2, '0')}`,
        name: `${adjective} ${noun}`,
        cents: random.integer(4, 240) * 100 - 1,
      }),
    ),
  );
  const sensors = Array.from({ length: 40 }, (_, index) => `sensor-${(index + 1).toString().padStart(3, '0')}`);
  return { customers, products, sensors };
}

/** What happens to an order, one after another. The order is the key, so the steps stay in order. */
export const orderSteps = [
  'order.placed',
  'payment.authorized',
  'order.packed',
  'shipment.dispatched',
  'shipment.delivered',
] as const;

type OrderStep = (typeof orderSteps)[number] | 'payment.declined';

export function orderPayload(step: OrderStep, order: Order, random: SeededRandom): Record<string, unknown> {
  const about = { order_id: order.id, customer_id: order.customer.id };
  switch (step) {
    case 'order.placed':
      return { ...about, currency: 'EUR', total_cents: order.totalCents, lines: order.lines };
    case 'payment.authorized':
      return { ...about, amount_cents: order.totalCents, method: random.pickSkewed(['card', 'paypal', 'sepa']) };
    case 'payment.declined':
      return { ...about, reason: random.pick(['insufficient_funds', 'expired_card', 'fraud_suspected']) };
    case 'order.packed':
      return { ...about, warehouse: random.pick(['BER-1', 'LYS-2', 'AMS-1']), parcels: random.integer(1, 3) };
    case 'shipment.dispatched':
      return { ...about, carrier: random.pick(['DHL', 'UPS', 'PostNL']), tracking: `T${random.integer(1e8, 1e9)}` };
    case 'shipment.delivered':
      return { ...about, signed_by: random.chance(0.7) ? 'recipient' : 'neighbour' };
  }
}

interface Kind {
  readonly type: string;
  /** How often, against the others. */
  readonly weight: number;
  /** Where it comes from; the customer's device if nothing is said. */
  readonly source?: string;
  build(
    random: SeededRandom,
    world: World,
    customer: Customer,
  ): { key?: string; payload: Record<string, unknown>; source?: string };
}

const pages = ['/', '/shop', '/shop/lamps', '/cart', '/pricing', '/blog', '/account', '/help'] as const;
const features = ['export', 'dashboards', 'alerts', 'api_tokens', 'sharing', 'search'] as const;
const repositories = ['shop/web', 'shop/api', 'infra/deploy'] as const;

/** What happens without an order. */
export const kinds: readonly Kind[] = [
  {
    type: 'page.viewed',
    weight: 30,
    build: (random) => ({
      payload: {
        path: random.pickSkewed(pages),
        referrer: random.pick([null, 'search', 'newsletter']),
        ms: random.integer(40, 2_400),
      },
    }),
  },
  {
    type: 'product.searched',
    weight: 8,
    build: (random) => ({ payload: { query: random.pick(nouns), results: random.integer(0, 60) } }),
  },
  {
    type: 'cart.item_added',
    weight: 9,
    build: (random, world) => {
      const product = random.pickSkewed(world.products);
      return {
        payload: { sku: product.sku, name: product.name, quantity: random.integer(1, 3), cents: product.cents },
      };
    },
  },
  {
    type: 'user.signed_up',
    weight: 2,
    build: (random, _world, { country, plan }) => ({
      payload: { country, plan, invited: random.chance(0.2), locale: random.pick(['en', 'de', 'fr', 'pl', '日本語']) },
    }),
  },
  {
    type: 'user.logged_in',
    weight: 7,
    build: (random) => ({
      payload: { method: random.pickSkewed(['password', 'passkey', 'sso']), new_device: random.chance(0.05) },
    }),
  },
  {
    type: 'feature.used',
    weight: 9,
    build: (random, _world, { plan }) => ({
      payload: { feature: random.pickSkewed(features), plan, clicks: random.integer(1, 12) },
    }),
  },
  {
    type: 'email.opened',
    weight: 4,
    source: 'mailer',
    build: (random) => ({
      payload: { campaign: random.pick(['welcome', 'spring', 'back-in-stock']), link: random.chance(0.3) },
    }),
  },
  {
    type: 'support.ticket_opened',
    weight: 1,
    source: 'helpdesk',
    build: (random) => ({
      payload: { topic: random.pick(['delivery', 'refund', 'login']), priority: random.integer(1, 4) },
    }),
  },
  {
    type: 'webhook.received',
    weight: 3,
    source: 'git-host',
    build: (random) => {
      const repository = random.pick(repositories);
      return {
        key: repository,
        payload: { repository, event: random.pick(['push', 'pull_request', 'release']), commits: random.integer(0, 9) },
      };
    },
  },
  {
    type: 'telemetry.reading',
    weight: 16,
    source: 'iot-gateway',
    build: (random, world) => {
      const sensor = random.pick(world.sensors);
      const celsius = Math.round((19 + random.number() * 6) * 100) / 100;
      return {
        key: sensor,
        payload: { sensor, celsius, humidity: random.integer(30, 70), battery: random.integer(1, 100) },
      };
    },
  },
  {
    type: 'telemetry.alarm',
    weight: 1,
    source: 'iot-gateway',
    build: (random, world) => {
      const sensor = random.pickSkewed(world.sensors);
      return { key: sensor, payload: { sensor, kind: random.pick(['too_warm', 'offline', 'low_battery']) } };
    },
  },
];
