import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../../../domain/failure.ts';
import { codes } from '../wire/errors.ts';
import type { Coordinator, Membership, NotJoined } from './coordinator.ts';
import { createGroupMember, type GroupMember } from './member.ts';

const settings = {
  group: 'esp',
  topic: 'events',
  sessionTimeoutMs: 10_000,
  heartbeatMs: 3_000,
  rebalanceTimeoutMs: 10_000,
  releaseMs: 5_000,
};
const away = new UnavailableError('log_unreachable', 'away');

type Answer = number | UnavailableError;

/** A coordinator that says what the test wants; joins and heartbeats go well where nothing else was said. */
function scripted() {
  const journal: string[] = [];
  const joins: (Answer | NotJoined)[] = [];
  const heartbeats: Answer[] = [];
  let members = 0;
  let generation = 0;
  const said = (answers: Answer[]): number => {
    const answer = answers.shift() ?? 0;
    if (typeof answer !== 'number') throw answer;
    return answer;
  };
  const coordinator: Coordinator = {
    async join(memberId, countPartitions): Promise<Membership | NotJoined> {
      journal.push(`join ${memberId || 'anew'}`);
      const answer = joins.shift() ?? 0;
      if (answer instanceof UnavailableError) throw answer;
      if (typeof answer !== 'number') return answer;
      if (answer !== 0) return { errorCode: answer };
      if (memberId === '') members += 1;
      generation += 1;
      const partitionsShared = await countPartitions();
      return {
        memberId: memberId || `member-${members}`,
        generationId: generation,
        partitions: [0, 1],
        partitionsShared,
      };
    },
    async heartbeat({ memberId, generationId }) {
      journal.push(`heartbeat ${memberId} ${generationId}`);
      return said(heartbeats);
    },
    async commit() {
      return 0;
    },
    async leave(memberId) {
      journal.push(`leave ${memberId}`);
      return 0;
    },
    close: () => undefined,
  };
  return { coordinator, journal, joins, heartbeats };
}

describe('a member of the group', () => {
  let members: GroupMember[] = [];
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    members = [];
  });
  afterEach(async () => {
    await Promise.all(members.map((member) => member.leave()));
    vi.useRealTimers();
  });

  async function memberOf(script: ReturnType<typeof scripted>) {
    const events: string[] = [];
    const member = createGroupMember({
      ...settings,
      coordinator: script.coordinator,
      countPartitions: async () => 2,
      telemetry: { emit: (name) => events.push(name) },
    });
    members.push(member);
    await member.start();
    return { member, events, first: (await member.nextGeneration())! };
  }

  it('sends heartbeats, and stays as long as they go well', async () => {
    const script = scripted();
    const { first } = await memberOf(script);
    await vi.advanceTimersByTimeAsync(10 * settings.heartbeatMs);
    expect(script.journal.filter((line) => line === 'heartbeat member-1 1')).toHaveLength(10);
    expect(first.ended.aborted).toBe(false);
    expect(first.partitions).toEqual([0, 1]);
  });

  it('joins again as itself when the group moves, once its partitions are let go of', async () => {
    const script = scripted();
    const { member, first } = await memberOf(script);
    const released = Promise.withResolvers<void>();
    first.holdUntil(released.promise);
    script.heartbeats.push(codes.rebalanceInProgress);
    await vi.advanceTimersByTimeAsync(settings.heartbeatMs);
    expect(first.ended.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(script.journal).not.toContain('join member-1');
    released.resolve();
    const second = await member.nextGeneration();
    expect(script.journal.at(-1)).toBe('join member-1');
    expect(second!.ended.aborted).toBe(false);
    await expect(first.confirm()).rejects.toMatchObject({ code: 'assignment_ended' });
  });

  it('does not wait for ever for its partitions to be let go of', async () => {
    const script = scripted();
    const { first } = await memberOf(script);
    first.holdUntil(new Promise(() => undefined));
    script.heartbeats.push(codes.illegalGeneration);
    await vi.advanceTimersByTimeAsync(settings.heartbeatMs + settings.releaseMs - 1);
    expect(script.journal).not.toContain('join member-1');
    await vi.advanceTimersByTimeAsync(1);
    expect(script.journal).toContain('join member-1');
  });

  it('goes on as who the group took it in as, where that went into motion once more before it told the partitions', async () => {
    const script = scripted();
    const { member } = await memberOf(script);
    script.joins.push(codes.unknownMemberId, { errorCode: codes.rebalanceInProgress, memberId: 'member-9' });
    script.heartbeats.push(codes.rebalanceInProgress);
    await vi.advanceTimersByTimeAsync(settings.heartbeatMs + 1_000);
    expect((await member.nextGeneration())!.ended.aborted).toBe(false);
    const joins = script.journal.filter((line) => line.startsWith('join'));
    expect(joins).toEqual(['join anew', 'join member-1', 'join anew', 'join member-9']);
  });

  it('comes back as a new one when it was expelled', async () => {
    const script = scripted();
    const { member, first } = await memberOf(script);
    script.heartbeats.push(codes.unknownMemberId);
    await vi.advanceTimersByTimeAsync(settings.heartbeatMs);
    expect(first.ended.aborted).toBe(true);
    await member.nextGeneration();
    await vi.advanceTimersByTimeAsync(settings.heartbeatMs);
    expect(script.journal.slice(-2)).toEqual(['join anew', 'heartbeat member-2 2']);
  });

  it('gives its partitions up when it has not heard of the coordinator for its session', async () => {
    const script = scripted();
    const { member, first, events } = await memberOf(script);
    await vi.advanceTimersByTimeAsync(settings.heartbeatMs);
    script.heartbeats.push(...Array.from({ length: 100 }, () => away));
    script.joins.push(away, away);
    await vi.advanceTimersByTimeAsync(settings.sessionTimeoutMs - 1);
    expect(first.ended.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(first.ended.aborted).toBe(true);
    const next = member.nextGeneration();
    await vi.advanceTimersByTimeAsync(1_000);
    // The coordinator may still know it.
    expect(script.journal.filter((line) => line.startsWith('join'))).toEqual([
      'join anew',
      ...new Array(3).fill('join member-1'),
    ]);
    expect((await next)!.ended.aborted).toBe(false);
    // Told once for each reason, however often it was tried.
    expect(events).toEqual(['group.joined', 'group.unavailable', 'group.ended', 'group.unavailable', 'group.joined']);
  });

  it('stays when the coordinator was away for less than its session', async () => {
    const script = scripted();
    const { first } = await memberOf(script);
    script.heartbeats.push(away, away, codes.coordinatorLoadInProgress, codes.notCoordinator);
    await vi.advanceTimersByTimeAsync(5 * settings.heartbeatMs);
    expect(first.ended.aborted).toBe(false);
    await first.confirm();
  });

  it('asks when it is to confirm, and believes nothing older', async () => {
    const script = scripted();
    const { first } = await memberOf(script);
    script.heartbeats.push(away);
    await expect(first.confirm()).rejects.toBe(away);
    expect(first.ended.aborted).toBe(false);
    await first.confirm();
    script.heartbeats.push(codes.rebalanceInProgress);
    await expect(first.confirm()).rejects.toMatchObject({ code: 'assignment_ended' });
    expect(first.ended.aborted).toBe(true);
  });

  it('that leads joins again when the topic has more partitions', async () => {
    const script = scripted();
    const { member, first } = await memberOf(script);
    member.partitionsChanged(2);
    expect(first.ended.aborted).toBe(false);
    member.partitionsChanged(4);
    expect(first.ended.aborted).toBe(true);
    await member.nextGeneration();
    expect(script.journal.at(-1)).toBe('join member-1');
  });

  it('says why it can not join for the first time', async () => {
    const script = scripted();
    script.joins.push(codes.groupAuthorizationFailed);
    await expect(memberOf(script)).rejects.toMatchObject({ code: 'log_denied' });
    // A coordinator that has just started is asked again.
    script.joins.push(codes.coordinatorLoadInProgress, codes.rebalanceInProgress);
    const joining = memberOf(script);
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await joining).first.partitions).toEqual([0, 1]);
  });

  it('leaves, and gives nothing after that', async () => {
    const script = scripted();
    const { member, first } = await memberOf(script);
    const next = member.nextGeneration();
    await member.leave();
    expect(first.ended.aborted).toBe(true);
    expect(await next).toBeNull();
    expect(await member.nextGeneration()).toBeNull();
    expect(script.journal.at(-1)).toBe('leave member-1');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(script.journal.at(-1)).toBe('leave member-1');
  });
});
