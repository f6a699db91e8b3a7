import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { EventResult } from '../http/contract.ts';
import { createApiClient } from './api-client.ts';
import { type CliContext, CommandError, exitCodes, formatCount, printJson, printLine } from './context.ts';
import { createDelivery } from './deliver.ts';
import { parseSeconds, parseText } from './parse-option.ts';
import { createProgress } from './progress.ts';
import { type InputFormat, inputFormats, readEvents } from './read-events.ts';
import type { InputLine } from './split-lines.ts';

/** Small enough that a refused line is told soon, large enough that the round trip does not matter. */
const batch = { eventsMax: 1_000, bytesMax: 1024 * 1024 } as const;
const retrySecondsDefault = 120;
/** Refusals printed or listed; all of them are counted. */
const refusalsShownMax = 1_000;

interface SendOptions {
  readonly format: InputFormat;
  readonly idempotencyKey?: string;
  readonly wait: boolean;
  readonly retryFor?: number;
  readonly json: boolean;
}

/** Where an event stands in the input. */
type Place = { readonly line: number } | { readonly event: number };

type Refusal = Place & {
  readonly code: string;
  readonly path: string;
  readonly message: string;
};

export function addSendCommand(program: Command, context: CliContext): void {
  program
    .command('send')
    .summary('send events from a file or standard input')
    .description(
      'Sends events from a file or standard input: one JSON object, an array, or NDJSON of any size. Says of each event that ' +
        'was refused where it stands and why. Sending again is safe: ids and the idempotency key see to it.',
    )
    .argument('[file]', 'JSON or NDJSON; - or nothing: standard input')
    .addOption(new Option('--format <format>', 'how to read the input').choices(inputFormats).default('auto'))
    .option(
      '--idempotency-key <prefix>',
      'makes repeating the same command safe also for events without an id',
      parseText,
    )
    .option('--wait', 'wait until each batch is stored, and tell duplicates and conflicts', false)
    .option(
      '--retry-for <seconds>',
      `how long to wait for a server that is busy or restarts (default: ${retrySecondsDefault}); when given, also for one that is not up yet`,
      parseSeconds,
    )
    .option('--json', 'print the outcome as JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  $ esp send events.ndjson
  $ echo '{"event_type":"greeting","payload":{"text":"hello"}}' | esp send
  $ esp send orders.json --wait --json
  $ zcat 2026-01-*.ndjson.gz | esp send --idempotency-key import-2026-01`,
    )
    .action((file: string | undefined, options: SendOptions) => send(file, options, context));
}

async function send(file: string | undefined, options: SendOptions, context: CliContext): Promise<void> {
  const progress = createProgress(context.stderr);
  const tally = createTally(context, options, progress.clear);
  const prefix = options.idempotencyKey ?? randomUUID();
  const deliver = createDelivery({
    client: createApiClient(context),
    patienceMs: (options.retryFor ?? retrySecondsDefault) * 1000,
    // Refused at once, it is rather a wrong address; whoever says how long to wait means it.
    waitsForStart: options.retryFor !== undefined,
    waitStored: options.wait,
    signal: context.interrupted,
    onRetry(reason, waitMs) {
      progress.clear();
      printLine(context.stderr, `${reason}; trying again in ${(waitMs / 1000).toFixed(1)} s`);
    },
  });

  let batchNo = 0;
  for await (const lines of inBatches(readEvents(await openInput(file, context), options.format), tally.refuse)) {
    const { results } = await deliver(
      lines.map(({ bytes }) => bytes!),
      `${prefix}:${batchNo++}`,
    ).catch((error: unknown) => {
      progress.clear();
      tally.summarise();
      throw error;
    });
    results.forEach((result, index) => {
      tally.add(result, placeOf(lines[index]!));
    });
    progress.update(tally.line);
  }
  progress.clear();
  tally.summarise();
  if (tally.isFailed()) throw new CommandError('', exitCodes.failed);
}

async function openInput(
  file: string | undefined,
  { stdin, stderr, env }: CliContext,
): Promise<AsyncIterable<Uint8Array>> {
  if (file === undefined || file === '-') {
    if (stdin.isTTY) printLine(stderr, 'reading events from standard input; end with Ctrl-D');
    return stdin;
  }
  try {
    // Opened here, so that a wrong name is told at once and not from inside the stream.
    const handle = await open(resolve(folderOf(env), file));
    if ((await handle.stat()).isDirectory()) {
      await handle.close();
      throw new Error('it is a directory');
    }
    return createReadStream(file, { fd: handle, highWaterMark: 256 * 1024 });
  } catch (error) {
    throw new CommandError(`${file} can not be read: ${(error as Error).message}`, exitCodes.wrongUse, {
      cause: error,
    });
  }
}

/** Where the user stands: `npm run` starts everything in the project's folder, and tells. */
function folderOf({ npm_lifecycle_event: script, INIT_CWD: folder }: CliContext['env']): string {
  return script === 'esp' && folder ? folder : '.';
}

async function* inBatches(
  lines: AsyncIterable<InputLine>,
  refuse: (refusal: Refusal) => void,
): AsyncGenerator<InputLine[]> {
  let taken: InputLine[] = [];
  let length = 0;
  for await (const line of lines) {
    const unsendable = judgeLine(line);
    if (unsendable !== null) {
      refuse({ ...placeOf(line), path: '', ...unsendable });
      continue;
    }
    const size = line.bytes!.length;
    if (taken.length === batch.eventsMax || (taken.length > 0 && length + size > batch.bytesMax)) {
      yield taken;
      taken = [];
      length = 0;
    }
    taken.push(line);
    length += size;
  }
  if (taken.length > 0) yield taken;
}

function placeOf({ number, isOfDocument }: InputLine): Place {
  return isOfDocument ? { event: number } : { line: number };
}

function describePlace(place: Place): string {
  return 'line' in place ? `line ${place.line}` : `event ${place.event}`;
}

/** What would have the server refuse the whole batch. */
function judgeLine({ bytes }: InputLine): { readonly code: string; readonly message: string } | null {
  if (bytes === null) return { code: 'event_too_large', message: 'longer than a whole request may be' };
  if (isUtf8(bytes)) return null;
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return { code: 'invalid_utf8', message: isGzip ? 'this is gzip: unpack it first, with zcat' : 'not UTF-8' };
}

/** The server counts lines and bytes from the start of the batch, which is not the file's; the column holds. */
function withoutBatchLine(message: string): string {
  return message.replace(/^line \d+: /, '').replace(/ at line \d+, (column \d+) \(byte \d+\)$/, ' at $1');
}

function createTally(context: CliContext, { json, wait }: SendOptions, clearProgress: () => void) {
  const counts = { accepted: 0, stored: 0, duplicate: 0, failed: 0, rejected: 0 };
  const refusals: Refusal[] = [];
  const inInbox: (Place & { readonly failed_event: string })[] = [];
  const startedAt = performance.now();
  const sent = () => counts.accepted + counts.stored + counts.duplicate + counts.failed;

  function refuse(refusal: Refusal): void {
    counts.rejected += 1;
    if (refusals.length === refusalsShownMax) return;
    refusals.push(refusal);
    if (json) return;
    clearProgress();
    const where = refusal.path ? ` at ${refusal.path}` : '';
    printLine(context.stderr, `${describePlace(refusal)} refused: ${refusal.message}${where} (${refusal.code})`);
  }

  return {
    refuse,
    add(result: EventResult, place: Place): void {
      if (result.status === 'rejected') {
        refuse({ ...place, ...result.error, message: withoutBatchLine(result.error.message) });
        return;
      }
      if (result.status === 'retry') return;
      counts[result.status] += 1;
      if (result.status !== 'failed') return;
      if (inInbox.length < refusalsShownMax) inInbox.push({ ...place, failed_event: result.failed_event });
      if (!json) {
        clearProgress();
        printLine(context.stderr, `${describePlace(place)} is in the inbox: esp failed show ${result.failed_event}`);
      }
    },
    line: () => {
      const perSecond = Math.round(sent() / Math.max(0.001, (performance.now() - startedAt) / 1000));
      return `${formatCount(sent())} taken, ${formatCount(counts.rejected)} refused, ${formatCount(perSecond)}/s`;
    },
    isFailed: () => counts.rejected + counts.failed > 0,
    summarise(): void {
      if (json) {
        printJson(context, { taken: sent(), ...counts, refused: refusals, failed_events: inInbox });
        return;
      }
      const hidden = counts.rejected - refusals.length;
      if (hidden > 0) printLine(context.stderr, `… and ${formatCount(hidden)} more refused`);
      const stored = wait
        ? ` (${formatCount(counts.stored)} stored, ${formatCount(counts.duplicate)} duplicates, ${formatCount(counts.failed)} failed, ${formatCount(counts.accepted)} still on their way)`
        : '';
      printLine(context.stdout, `${formatCount(sent())} taken${stored}, ${formatCount(counts.rejected)} refused`);
    },
  };
}
