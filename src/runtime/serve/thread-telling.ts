import type { Telemetry, TelemetryEventName, TelemetryEvents } from '../../telemetry/telemetry.ts';

/** What happened in a thread that serves HTTP. */
export type ToldMessage =
  | { readonly kind: 'telemetry'; readonly name: TelemetryEventName; readonly payload: object }
  // Too many to be told one by one.
  | (Answered & { readonly kind: 'completed'; readonly durationsMs: readonly number[] })
  | { readonly kind: 'shed'; readonly route: string; readonly count: number };

type Answered = Omit<TelemetryEvents['request.completed'], 'durationMs'>;

/** Told by the main thread of all. */
const ofProcess: ReadonlySet<TelemetryEventName> = new Set(['process.stopping', 'process.stopped']);

/**
 * By so much metrics may lag. A message each turn of the event loop, of which there are thousands, would cost both
 * threads a part of each.
 */
const tellEveryMs = 50;

/**
 * Gathers what a thread's telemetry announces and posts it in lists, but for what the main thread tells of the whole
 * process.
 *
 * @returns posts at once what is left
 */
export function tellMain(telemetry: Telemetry, post: (messages: readonly ToldMessage[]) => void): () => void {
  let events: ToldMessage[] = [];
  const completed = new Map<string, Answered & { readonly durationsMs: number[] }>();
  const shed = new Map<string, number>();
  let timer: NodeJS.Timeout | null = null;

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const messages = [
      ...events,
      ...[...completed.values()].map((requests) => ({ kind: 'completed' as const, ...requests })),
      ...[...shed].map(([route, count]) => ({ kind: 'shed' as const, route, count })),
    ];
    events = [];
    completed.clear();
    shed.clear();
    if (messages.length > 0) post(messages);
  }

  telemetry.onAny((name, payload) => {
    if (ofProcess.has(name)) return;
    timer ??= setTimeout(flush, tellEveryMs);
    if (name === 'request.completed') complete(payload as TelemetryEvents['request.completed']);
    else if (name === 'request.shed') refuse(payload as TelemetryEvents['request.shed']);
    else events.push({ kind: 'telemetry', name, payload });
  });

  function complete({ method, route, status, durationMs }: TelemetryEvents['request.completed']): void {
    const key = `${method} ${route} ${status}`;
    const known = completed.get(key);
    if (known === undefined) completed.set(key, { method, route, status, durationsMs: [durationMs] });
    else known.durationsMs.push(durationMs);
  }

  function refuse({ route }: TelemetryEvents['request.shed']): void {
    shed.set(route, (shed.get(route) ?? 0) + 1);
  }

  return flush;
}

/** Announces in the main thread what another one has told. */
export function announceTold(telemetry: Telemetry, thread: string, message: ToldMessage): void {
  if (message.kind === 'telemetry') {
    telemetry.emit(message.name, { ...message.payload, thread } as TelemetryEvents[TelemetryEventName]);
  } else if (message.kind === 'completed') {
    const { method, route, status } = message;
    for (const durationMs of message.durationsMs) {
      telemetry.emit('request.completed', { method, route, status, durationMs });
    }
  } else {
    for (let nth = 0; nth < message.count; nth += 1) telemetry.emit('request.shed', { route: message.route });
  }
}
