import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { backoffMs } from '../domain/backoff.ts';
import { type ApiClient, createApiClient, UnreachableError } from './api-client.ts';
import { type CliContext, CommandError, exitCodes, formatCount, printLine } from './context.ts';
import { type LiveEvent, readLiveEvents } from './live-events.ts';
import { collect, parseCountFromOne } from './parse-option.ts';
import { readServerSentEvents } from './server-sent-events.ts';

interface TailOptions {
  readonly type: readonly string[];
  readonly count?: number;
  readonly json: boolean;
}

export function addTailCommand(program: Command, context: CliContext): void {
  program
    .command('tail')
    .summary('follow events as they are stored')
    .description(
      'Follows events as they are stored. When they come faster than anyone could read, the server sends a sample and says how ' +
        'many it left out: this is for looking, not for processing.',
    )
    .option('--type <event_type>', 'only events of this type; may be given more than once', collect, [])
    .option('--count <events>', 'end after so many', parseCountFromOne)
    .option('--json', 'one JSON object a line', false)
    .addHelpText(
      'after',
      `
Examples:
  $ esp tail
  $ esp tail --type order.placed --type payment.declined
  $ esp tail --json | jq .payload`,
    )
    .action((options: TailOptions) => tail(options, context));
}

async function tail(options: TailOptions, context: CliContext): Promise<void> {
  const client = createApiClient(context);
  // Each connection starts with the latest events, of which a new one after a break has some that were shown already.
  const seen = createRecentSet(1_000);
  let shown = 0;
  let failures = 0;
  while (true) {
    try {
      for await (const batch of liveEvents(client)) {
        failures = 0;
        // They come newest first, and are read downwards.
        for (const event of batch.events.toReversed()) {
          if (!seen.add(event.view.id)) continue;
          if (options.type.length > 0 && !options.type.includes(event.view.event_type)) continue;
          printLine(context.stdout, options.json ? event.text : describe(event));
          if (++shown === options.count) return;
        }
        if (batch.leftOut > 0 && !options.json) {
          printLine(context.stderr, `… ${formatCount(batch.leftOut)} more not shown`);
        }
      }
    } catch (error) {
      if (context.interrupted.aborted) return;
      // The first connection must work; later ones only have to work again.
      const lost = error instanceof UnreachableError && (failures > 0 || !error.refused);
      if (!lost) throw error;
    }
    const waitMs = Math.max(500, backoffMs(failures++, Math.random()));
    printLine(context.stderr, `the connection ended; trying again in ${(waitMs / 1000).toFixed(1)} s`);
    await delay(waitMs, undefined, { signal: context.interrupted }).catch(() => {
      throw new CommandError('', exitCodes.ok);
    });
  }
}

async function* liveEvents(client: ApiClient): AsyncGenerator<ReturnType<typeof readLiveEvents>> {
  const body = await client.stream('/api/live', 'text/event-stream');
  try {
    for await (const { event, data } of readServerSentEvents(body)) {
      if (event === 'event') yield readLiveEvents(data);
    }
  } catch (error) {
    throw error instanceof CommandError ? error : new UnreachableError(client.url, error);
  }
}

function describe({ view, payloadText }: LiveEvent): string {
  const time = view.stored_at.slice(11, 23);
  const key = view.key === null ? '' : ` ${view.key}`;
  return `${time} ${view.event_type}${key} ${payloadText}`;
}

/** Remembers the last `size` of what was added. */
function createRecentSet(size: number) {
  const items = new Set<string>();
  return {
    /** @returns whether it is new */
    add(item: string): boolean {
      if (items.has(item)) return false;
      items.add(item);
      if (items.size > size) items.delete(items.values().next().value!);
      return true;
    },
  };
}
