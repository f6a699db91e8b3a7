import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { FailedEventDetail, FailedEventPage, JobView, RedriveReceipt } from '../http/contract.ts';
import { createApiClient, UnreachableError } from './api-client.ts';
import { type CliContext, CommandError, exitCodes, formatCount, printJson, printLine } from './context.ts';
import { waitForJob } from './job.ts';
import { parseCountFromOne, parseText } from './parse-option.ts';

interface ListOptions {
  readonly state: string;
  readonly type?: string;
  readonly reason?: string;
  readonly limit: number;
  readonly json: boolean;
}

interface RedriveOptions {
  readonly type?: string;
  readonly reason?: string;
  readonly all: boolean;
  readonly payload?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

export function addFailedCommand(program: Command, context: CliContext): void {
  const failed = program
    .command('failed')
    .summary('look at failed events, send them again, or set them aside')
    .description('The inbox: every record that could not be stored, whole, with the reason.');

  failed
    .command('list')
    .summary('list failed events, newest first')
    .description('Lists failed events, newest first.')
    .addOption(
      new Option('--state <state>', 'which ones')
        .choices(['open', 'redriving', 'resolved', 'discarded', 'all'])
        .default('open'),
    )
    .option('--type <event_type>', 'only of this type', parseText)
    .option('--reason <code>', 'only with this reason, such as conflict or invalid_event', parseText)
    .option('--limit <events>', 'at most so many', parseCountFromOne, 50)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp failed list\n  $ esp failed list --reason conflict --json')
    .action((options: ListOptions) => list(options, context));

  failed
    .command('show')
    .summary('show one failed event whole')
    .description('Shows one failed event whole.')
    .argument('<id>', 'as `esp failed list` gives it')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp failed show store:1:3:42')
    .action((id: string, options: { json: boolean }) => show(id, options, context));

  failed
    .command('redrive')
    .summary('send failed events through again')
    .description(
      'Sends failed events through the pipeline again and tells how many went. How each of them ended is told by esp failed show.',
    )
    .argument('[ids...]', 'which ones; or choose by --type, --reason or --all')
    .option('--type <event_type>', 'all open ones of this type', parseText)
    .option('--reason <code>', 'all open ones with this reason', parseText)
    .option('--all', 'all open ones', false)
    .option('--payload <json>', 'with this payload instead of its own; for one id', parsePayload)
    .option('--dry-run', 'only count them', false)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  $ esp failed redrive store:1:3:42
  $ esp failed redrive store:1:3:42 --payload '{"total":12}'
  $ esp failed redrive --reason rejected_by_store --dry-run`,
    )
    .action((ids: string[], options: RedriveOptions) => redrive(ids, options, context));

  failed
    .command('discard')
    .summary('set failed events aside for good')
    .description('Sets failed events aside for good. They stay readable, and counted as failed.')
    .argument('<ids...>', 'as `esp failed list` gives them')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp failed discard store:1:3:42 store:1:3:57')
    .action((ids: string[], options: { json: boolean }) => discard(ids, options, context));
}

async function list(options: ListOptions, context: CliContext): Promise<void> {
  const client = createApiClient(context);
  const found: FailedEventPage['failed_events'] = [];
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({ limit: String(Math.min(1_000, options.limit - found.length)) });
    if (options.state !== 'all') query.set('state', options.state);
    if (options.type) query.set('event_type', options.type);
    if (options.reason) query.set('reason', options.reason);
    if (cursor) query.set('cursor', cursor);
    const page: FailedEventPage = await client.json(`/api/failed-events?${query}`);
    found.push(...page.failed_events);
    cursor = page.next_cursor;
  } while (cursor && found.length < options.limit);

  if (options.json) {
    printJson(context, { failed_events: found, more: cursor !== null });
    return;
  }
  for (const { id, failed_at, state, reason, event_type } of found) {
    const stamp = failed_at.slice(0, 19).replace('T', ' ');
    printLine(context.stdout, `${id}  ${stamp}  ${state}  ${reason.code}  ${event_type ?? '-'}  ${reason.message}`);
  }
  if (found.length === 0) {
    const isFiltered = options.state !== 'open' || options.type !== undefined || options.reason !== undefined;
    printLine(context.stdout, isFiltered ? 'none' : 'no failed event is open');
  }
  if (cursor) printLine(context.stderr, 'there are more; --limit raises the number shown');
}

async function show(id: string, { json }: { json: boolean }, context: CliContext): Promise<void> {
  const event: FailedEventDetail = await createApiClient(context).json(`/api/failed-events/${encodeURIComponent(id)}`);
  if (json) {
    printJson(context, event);
    return;
  }
  const rows: readonly (readonly [string, string])[] = [
    ['id', event.id],
    ['state', event.state],
    ['reason', `${event.reason.message} (${event.reason.code})`],
    ['attempt', String(event.attempt)],
    ['event id', event.event_id ?? '-'],
    ['type', event.event_type ?? '-'],
    ['key', event.key ?? '-'],
    ['position', `log ${event.origin.log_no}, partition ${event.origin.partition}, offset ${event.origin.offset}`],
    ['received', event.received_at],
    ['failed', event.failed_at],
    ...(event.settled_at ? [['settled', `${event.settled_at}: ${describeResolution(event)}`] as const] : []),
    ['value', event.value ?? `${event.value_base64} (base64: it is not text)`],
  ];
  for (const [name, value] of rows) printLine(context.stdout, `${name.padEnd(10)}${value}`);
}

function describeResolution({ resolution }: FailedEventDetail): string {
  if (!resolution) return '-';
  const { kind, event_id: eventId, failed_event: failedEvent } = resolution;
  if (eventId !== undefined) return `${kind} as event ${eventId}`;
  return failedEvent === undefined ? kind : `${kind}, as ${failedEvent}`;
}

async function redrive(ids: readonly string[], options: RedriveOptions, context: CliContext): Promise<void> {
  const byFilter = options.all || options.type !== undefined || options.reason !== undefined;
  if (ids.length > 0 === byFilter) {
    throw new CommandError('either name the events, or choose them by --type, --reason or --all', exitCodes.wrongUse);
  }
  if (options.payload !== undefined && (ids.length !== 1 || options.dryRun)) {
    throw new CommandError('--payload goes with exactly one id, and not with --dry-run', exitCodes.wrongUse);
  }
  const client = createApiClient(context);
  const receipt: RedriveReceipt =
    options.payload === undefined
      ? await client.json('/api/failed-events/redrive', {
          method: 'POST',
          json: {
            ...(byFilter ? { filter: { event_type: options.type, reason: options.reason } } : { ids }),
            dry_run: options.dryRun,
          },
        })
      : await client.json(`/api/failed-events/${encodeURIComponent(ids[0]!)}/redrive`, {
          method: 'POST',
          // As text, so that the numbers in it keep every digit.
          body: { contentType: 'application/json', bytes: Buffer.from(`{"payload":${options.payload}}`) },
        });

  const job: JobView | null = receipt.job_id === null ? null : await waitForJob(client, receipt.job_id, context);
  if (options.json) printJson(context, { ...receipt, job });
  else printLine(context.stdout, describeRedrive(receipt, job, options.dryRun));
  const isIncomplete = job !== null && (job.state !== 'done' || job.failed > 0);
  // Of a filter's matches others may have been settled meanwhile; who is named is meant.
  if (isIncomplete || (!byFilter && receipt.skipped > 0)) throw new CommandError('', exitCodes.failed);
}

function describeRedrive(receipt: RedriveReceipt, job: JobView | null, dryRun: boolean): string {
  const { matched, skipped, taken } = receipt;
  const others = skipped - taken;
  const left =
    (taken > 0 ? `, ${formatCount(taken)} left out: another job has them` : '') +
    (others > 0 ? `, ${formatCount(others)} left out: not open, or no event without another --payload` : '');
  if (!job) return `${formatCount(matched)} ${dryRun ? 'would be sent again' : 'sent again'}${left}`;
  const failed =
    job.failed > 0 ? `, ${formatCount(job.failed)} could not be: ${job.message ?? 'see the server log'}` : '';
  return `${formatCount(job.done)} of ${formatCount(job.total)} sent again${failed}${left}`;
}

async function discard(ids: readonly string[], { json }: { json: boolean }, context: CliContext): Promise<void> {
  const client = createApiClient(context);
  const discarded: string[] = [];
  const refused: { readonly id: string; readonly message: string }[] = [];
  for (const id of ids) {
    try {
      await client.json(`/api/failed-events/${encodeURIComponent(id)}/discard`, { method: 'POST' });
      discarded.push(id);
      if (!json) printLine(context.stdout, `${id} discarded`);
    } catch (error) {
      // One that is not there, or is settled, says nothing of the next; a server that is gone does.
      if (!(error instanceof CommandError) || error instanceof UnreachableError) throw error;
      if (error.exitCode === exitCodes.interrupted) throw error;
      refused.push({ id, message: error.message });
      if (!json) printLine(context.stderr, `${id} not discarded: ${error.message}`);
    }
  }
  if (json) printJson(context, { discarded, refused });
  if (refused.length > 0) throw new CommandError('', exitCodes.failed);
}

function parsePayload(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return text;
  } catch {
    // The same answer for text that is no JSON and for JSON that is no object.
  }
  throw new InvalidArgumentError('It must be a JSON object.');
}
