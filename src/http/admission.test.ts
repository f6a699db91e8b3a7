import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { calmMs, createAdmission, patienceMs, refusalSpreadMs, retryAfterMs } from './admission.ts';

const turnMs = 10;

/** An admission by clocks of the test's own, and a thread that turns every 10 ms. */
function setUp(random = () => 0) {
  let now = 0;
  let idle = 0;
  const changes: boolean[] = [];
  const admission = createAdmission({
    elapsed: () => now,
    idle: () => idle,
    random,
    onChange: (isShedding) => changes.push(isShedding),
  });
  const open: (() => void)[] = [];

  /** Lets in as many as come, each on a connection of its own; tells how many were. */
  function arrive(count: number): number {
    let letIn = 0;
    for (let nth = 0; nth < count; nth += 1) {
      if (admission.refusal({}) !== null) continue;
      letIn += 1;
      const outcome = Promise.withResolvers<void>();
      void admission.during(outcome.promise);
      open.push(outcome.resolve);
    }
    return letIn;
  }
  async function answer(count: number): Promise<void> {
    for (const resolve of open.splice(0, count)) resolve();
    await Promise.resolve();
  }
  /** @param idleShare of each turn */
  async function turns(ms: number, { arriving = 0, answered = 0, idleShare = 0, everyMs = turnMs }): Promise<number> {
    let letIn = 0;
    for (const end = now + ms; now < end; ) {
      now += everyMs;
      idle += everyMs * idleShare;
      letIn += arrive(arriving);
      await answer(answered);
    }
    return letIn;
  }
  const pass = (ms: number) => {
    now += ms;
  };
  return { admission, turns, pass, changes, underWay: () => open.length };
}

/** Twice as many as are answered, by a thread that is never idle. */
const overload = { arriving: 100, answered: 50 };

describe('an overload', () => {
  it('is refused what is more than is answered in a moment, once it has lasted', async () => {
    const { turns, changes, underWay } = setUp();
    expect(await turns(patienceMs, overload)).toBe((patienceMs / turnMs) * 100);
    await turns(5_000, overload);
    expect(changes).toEqual([true]);
    expect(underWay()).toBeLessThanOrEqual(limits.requestsUnderWayMin / 2);
  });

  it('is found out although all are answered at once, and then some meet nothing under way', async () => {
    const { turns, pass, changes } = setUp();
    for (let times = 0; times < 20; times += 1) {
      await turns(turnMs, { arriving: 1_000 });
      pass(50);
      await turns(turnMs, { answered: 1_000 });
    }
    expect(changes).toEqual([true]);
  });

  it('begins with twice as much under way as is let in while it lasts', async () => {
    const { turns, changes } = setUp();
    const most = limits.requestsUnderWayMin;
    await turns(turnMs, { arriving: most - 10 });
    await turns(5_000, { arriving: 10, answered: 10 });
    expect(changes).toEqual([]);
    await turns(turnMs, { arriving: 20 });
    await turns(2 * patienceMs, { arriving: 10, answered: 10 });
    expect(changes).toEqual([true]);
  });

  it('lets in as many as are answered', async () => {
    const { turns } = setUp();
    await turns(5_000, overload);
    const letIn = await turns(1_000, overload);
    expect(letIn).toBe(50 * (1_000 / turnMs));
  });

  it('has more under way where more are answered in a moment', async () => {
    const { turns, underWay } = setUp();
    await turns(10_000, { arriving: 100, answered: 50, everyMs: 1 });
    await turns(1, { arriving: 1_000 });
    expect(underWay()).toBeGreaterThan(limits.requestsUnderWayMin / 2);
    expect(underWay()).toBeLessThanOrEqual(50 * (limits.requestDelayMs / 4));
  });

  it('has more and more under way while the log is slow, and the thread idle', async () => {
    const { turns, underWay, changes } = setUp();
    await turns(5_000, overload);
    await turns(1_000, { arriving: 100, answered: 10, idleShare: 0.5 });
    expect(underWay()).toBeGreaterThan(4 * limits.requestsUnderWayMin);
    await turns(5_000, { arriving: 200, answered: 110 });
    expect(underWay()).toBeLessThanOrEqual(limits.requestsUnderWayMin / 2);
    expect(changes).toEqual([true]);
  });

  it('is over when all who are refused would find room, however busy the thread is', async () => {
    const { turns, changes } = setUp();
    await turns(5_000, overload);
    // Some more are under way than may be while it sheds, and fewer than make an overload.
    const few = { arriving: 51, answered: 50 };
    await turns(3 * retryAfterMs, few);
    expect(changes).toEqual([true, false]);
  });

  it('is over when there is room and the thread is idle, and a moment of that is not enough', async () => {
    const { turns, changes } = setUp();
    await turns(5_000, overload);
    await turns(calmMs / 2, { arriving: 1, answered: 100, idleShare: 0.5 });
    await turns(calmMs, overload);
    expect(changes).toEqual([true]);
    await turns(2 * calmMs, { arriving: 1, answered: 100, idleShare: 0.5 });
    expect(changes).toEqual([true, false]);
    expect(await turns(turnMs, { arriving: 10 })).toBe(10);
  });

  it('is over at a load that is carried, although now and then somebody is refused', async () => {
    const { turns, changes } = setUp();
    await turns(5_000, overload);
    for (let seconds = 0; seconds < 3; seconds += 1) {
      await turns(turnMs, { arriving: 2 * limits.requestsUnderWayMin });
      await turns(retryAfterMs - turnMs, { arriving: 20, answered: 100, idleShare: 0.5 });
    }
    expect(changes).toEqual([true, false]);
  });
});

describe('a client that was refused', () => {
  async function refused() {
    const made = setUp();
    await made.turns(5_000, overload);
    await made.turns(turnMs, { arriving: 100 });
    const connection = {};
    expect(made.admission.refusal(connection)).toBe(0);
    return { ...made, connection };
  }

  it('is refused again when its time is over, if it sends before', async () => {
    const { admission, pass, connection } = await refused();
    pass(300);
    expect(admission.refusal(connection)).toBe(retryAfterMs - 300);
    pass(100);
    // A connection that does not even wait for its answers.
    expect(admission.refusal(connection)).toBe(retryAfterMs - 400);
  });

  it('is told within a quarter of a second, at another time than who was refused together with it', async () => {
    let nth = 0;
    const { admission, turns, pass } = setUp(() => (nth += 0.25) % 1);
    await turns(5_000, overload);
    await turns(turnMs, { arriving: 100 });
    const connections = [{}, {}, {}];
    const toldInMs = connections.map((connection) => admission.refusal(connection)!);
    expect(new Set(toldInMs).size).toBe(3);
    for (const ms of toldInMs) expect(ms).toBeLessThan(refusalSpreadMs);
    // From when it was told, and not from when it sent.
    pass(toldInMs[0]! + 300);
    expect(admission.refusal(connections[0]!)).toBeCloseTo(retryAfterMs - 300);
  });

  it('is let in although others are under way, if it sends after', async () => {
    const { admission, turns, connection } = await refused();
    await turns(retryAfterMs, { answered: 1 });
    expect(admission.refusal(connection)).toBeNull();
  });
});

describe('nobody is refused', () => {
  it('by a thread that is busy with as many requests as wait for their answers on some connections', async () => {
    const { turns, changes } = setUp();
    await turns(10_000, { arriving: 64, answered: 64 });
    expect(changes).toEqual([]);
  });

  it('for a pause in which a thousand come, if they are answered soon after', async () => {
    const { turns, pass, changes } = setUp();
    for (let times = 0; times < 20; times += 1) {
      await turns(500, { arriving: 20, answered: 20, idleShare: 0.5 });
      pass(500);
      await turns(turnMs, { arriving: 1_000 });
      await turns(patienceMs - 100, { arriving: 20, answered: 120 });
    }
    expect(changes).toEqual([]);
  });

  it('for a log that is slow, however much waits for it', async () => {
    const { turns, changes } = setUp();
    await turns(10_000, { arriving: 20, answered: 1, idleShare: 0.5 });
    expect(changes).toEqual([]);
  });

  it('for a thread that stood still with much under way', async () => {
    const { turns, pass, changes } = setUp();
    await turns(turnMs, { arriving: 1_000 });
    pass(60_000);
    await turns(100, { arriving: 20, answered: 120 });
    expect(changes).toEqual([]);
  });
});
