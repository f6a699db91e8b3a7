import { type Connection, openConnection, sendUntil } from './connection.ts';
import { type BodyForm, buildRequests } from './requests.ts';
import { createTally, type LoadResult } from './tally.ts';

export interface LoadPlan {
  /** Several: connections are dealt out to them, one after another. */
  readonly port: number | readonly number[];
  readonly connections: number;
  readonly seconds: number;
  readonly eventsPerRequest: number;
  readonly form: BodyForm;
  /** Null: every connection sends its next request as soon as its last one is answered. */
  readonly requestsPerSecond: number | null;
  /** The ids of single events that were accepted are appended here, 36 bytes each. */
  readonly idsFile: string | null;
}

/**
 * Sends until the time is over and then waits for every answer that is still due, so that nothing sent is uncounted.
 */
export async function drive(plan: LoadPlan): Promise<LoadResult> {
  const requests = buildRequests(plan);
  const ports = [plan.port].flat();
  const tally = createTally(plan.eventsPerRequest);
  const over = Promise.withResolvers<void>();
  const idle: number[] = [];
  const connections: Connection[] = [];
  const sentAt = new Float64Array(plan.connections);
  let sent = 0;
  let inFlight = 0;
  let deadline = Number.POSITIVE_INFINITY;

  function send(connection: number, dueAt: number): void {
    sentAt[connection] = dueAt;
    inFlight += 1;
    connections[connection]!.send(requests[sent++ % requests.length]!);
  }

  function onAnswer(connection: number, status: number, bodyStart: string): void {
    const now = performance.now();
    inFlight -= 1;
    const tookMs = now - sentAt[connection]!;
    const lateMs = Math.max(0, now - deadline);
    tally.add(status, bodyStart, tookMs, lateMs === 0 ? 1 : Math.max(0, 1 - lateMs / tookMs));
    if (now < deadline) {
      if (plan.requestsPerSecond === null) send(connection, now);
      else idle.push(connection);
    } else if (inFlight === 0) over.resolve();
  }

  for (let index = 0; index < plan.connections; index += 1) {
    const answer = (status: number, bodyStart: string) => onAnswer(index, status, bodyStart);
    connections.push(await openConnection(ports[index % ports.length]!, answer, over.reject));
    idle.push(index);
  }

  const startedAt = performance.now();
  deadline = startedAt + plan.seconds * 1000;
  const { requestsPerSecond } = plan;
  // Latency counts from when a request was due, so a server that falls behind can't hide it by being sent less.
  const sendDue = (perSecond: number) => {
    const now = Math.min(performance.now(), deadline);
    const due = Math.floor(((now - startedAt) / 1000) * perSecond);
    while (sent < due && idle.length > 0) send(idle.shift()!, startedAt + (sent / perSecond) * 1000);
    if (now >= deadline && inFlight === 0) over.resolve();
  };
  if (requestsPerSecond === null) for (const connection of idle) send(connection, startedAt);
  const pace = requestsPerSecond === null ? null : () => sendDue(requestsPerSecond);
  const cpuSeconds = await sendUntil(over.promise, connections, pace);
  return tally.result(plan.seconds, cpuSeconds, plan.idsFile);
}
