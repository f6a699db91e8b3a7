import { encodeRecord } from '../../../src/domain/record-codec.ts';
import { crashPoints, type Fault } from './faults.ts';
import type { Model, SentContent } from './model.ts';
import type { World } from './world.ts';

/** What the generator draws from. Every operation tells the model what it did. */
export interface Draw {
  readonly random: () => number;
  /** A whole number from 0 to n − 1. */
  readonly below: (n: number) => number;
  readonly pick: <T>(items: readonly T[]) => T;
}

export function createDraw(random: () => number): Draw {
  const below = (n: number) => Math.floor(random() * n);
  return { random, below, pick: (items) => items[below(items.length)]! };
}

const types = ['order.placed', 'order.paid', 'user.signup', 'page.viewed', 'cart.left', 'mail.sent'];

/** Two spellings of one value must count as one content. */
function payloadOf({ total }: SentContent, spelling: number): string {
  return spelling === 0 ? `{"total":${total},"at":"x"}` : `{"at":"\\u0078", "total":${total}.0}`;
}

function record(world: World, draw: Draw, id: string, content: SentContent) {
  const key = draw.below(3) === 0 ? `key-${draw.below(5)}` : null;
  const value = encodeRecord({
    id,
    eventType: content.eventType,
    clientId: null,
    source: null,
    key,
    occurredAt: null,
    receivedAt: world.now() - draw.below(3_000),
    redriveOf: null,
    payloadJson: payloadOf(content, draw.below(2)),
  });
  return { key: key ?? id, value };
}

function freshContent(draw: Draw): SentContent {
  return { eventType: draw.pick(types), total: draw.below(1_000) };
}

function freshId(draw: Draw): string {
  const hex = (length: number) => Array.from({ length }, () => draw.below(16).toString(16)).join('');
  return `${hex(8)}-${hex(4)}-7${hex(3)}-a${hex(3)}-${hex(12)}`;
}

const poisons = [
  { code: 'invalid_json', text: 'not json at all' },
  { code: 'invalid_json', text: '{"id":"0190a3f0-0000-7000-8000-000000000001","event_type":"x","payload":{' },
  { code: 'invalid_event', text: '{"id":"0190a3f0-0000-7000-8000-000000000001","event_type":"x","payload":[]}' },
  { code: 'nested_too_deep', text: `{"id":"a","event_type":"x","payload":{"a":${'['.repeat(900)}${']'.repeat(900)}}}` },
  { code: 'unsupported_value', text: '{"id":"b","event_type":"x","payload":{"a":"\\u0000"}}' },
];

export type Operation = (world: World, model: Model, draw: Draw) => Promise<string>;

const appendFresh: Operation = async (world, model, draw) => {
  const sent = Array.from({ length: 1 + draw.below(15) }, () => ({ id: freshId(draw), content: freshContent(draw) }));
  await world.append(sent.map(({ id, content }) => record(world, draw, id, content)));
  for (const { id, content } of sent) model.send(id, content, world.now());
  return `append ${sent.length}`;
};

const appendAgain: Operation = async (world, model, draw) => {
  const candidates = model.resendable(world.now());
  if (candidates.length === 0) return 'append again: nothing to send again';
  const isConflict = draw.below(3) === 0;
  const sent = Array.from({ length: 1 + draw.below(4) }, () => {
    const event = draw.pick(candidates);
    return { id: event.id, content: isConflict ? freshContent(draw) : draw.pick([...event.contents.values()]) };
  });
  await world.append(sent.map(({ id, content }) => record(world, draw, id, content)));
  for (const { id, content } of sent) model.send(id, content, world.now());
  return `${isConflict ? 'conflict' : 'duplicate'} ${sent.length}`;
};

const appendPoison: Operation = async (world, model, draw) => {
  const { code, text } = draw.pick(poisons);
  const [at] = await world.append([{ key: `poison-${draw.below(9)}`, value: Buffer.from(text) }]);
  model.sendPoison(at!, code);
  return `poison ${code}`;
};

const redrive: Operation = async (world, model, draw) => {
  const { store } = world.parts();
  const { items } = await store.inboxEntries({ state: 'open', code: 'conflict', limit: 100 });
  const chosen = items.filter(() => draw.below(2) === 0).slice(0, 5);
  if (chosen.length === 0) return 'redrive: nothing open';
  const markFails = draw.below(3) === 0;
  await world.redrive(
    chosen.map(({ id }) => id),
    markFails,
  );
  for (const entry of chosen) {
    const { event_type: eventType, payload } = JSON.parse(Buffer.from(entry.value).toString());
    model.sendRedrive(entry, { eventType, total: payload.total }, world.now());
  }
  return `redrive ${chosen.length}${markFails ? ', dying before the mark' : ''}`;
};

const work: Operation = async (world, _model, draw) => {
  const fault = drawFault(draw);
  const end = await world.work(fault);
  return `work with ${JSON.stringify(fault)}: ${end}`;
};

function drawFault(draw: Draw): Fault {
  const nth = 1 + draw.below(6);
  switch (draw.below(10)) {
    case 0:
      return { kind: 'none' };
    case 1:
      return { kind: 'lost_answer', nth, times: 1 + draw.below(3) };
    case 2:
      return { kind: 'away', nth, times: 1 + draw.below(5) };
    case 3:
      return { kind: 'takeover', nth: nth * 2 };
    case 4:
      return { kind: 'maintenance_away', nth: 1 + draw.below(3), landed: draw.below(2) === 0 };
    default:
      return { kind: 'crash', point: draw.pick(crashPoints), nth };
  }
}

const advance: Operation = async (world, model, draw) => {
  const ms = draw.pick([1_000, 15_000, 120_000, 3_600_000, 6 * 3_600_000, 26 * 3_600_000]);
  // The window of duplicates is the retention of rows: all that waits is read before time goes on, and seen by the
  // model.
  await world.work({ kind: 'none' });
  await model.check(world);
  world.advance(ms);
  return `advance ${ms / 1_000} s`;
};

const trim: Operation = async (world) => {
  await world.trim();
  return 'trim';
};

const restart: Operation = async (world) => {
  await world.restart();
  return 'restart';
};

/** Operations with their weights. */
export const operations: readonly (readonly [number, Operation])[] = [
  [5, appendFresh],
  [4, appendAgain],
  [2, appendPoison],
  [2, redrive],
  [6, work],
  [2, advance],
  [1, trim],
  [1, restart],
];
