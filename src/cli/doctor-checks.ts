import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StartupError, UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { LedgerView, ReadinessView } from '../http/contract.ts';
import type { Config } from '../runtime/config.ts';
import { type ApiClient, problemError } from './api-client.ts';
import { formatCount } from './context.ts';

export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem';
  readonly what: string;
  /** What to do, one way a line. */
  readonly advice?: readonly string[];
}

const nodeNeeded = { major: 24, minor: 6 } as const;

/** This machine and the data directory, whether or not a server runs. */
export async function findHere(config: Config): Promise<readonly Finding[]> {
  return [findNode(), ...(await findDirectory(config))];
}

function findNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > nodeNeeded.major || (major === nodeNeeded.major && minor >= nodeNeeded.minor)) {
    return { level: 'ok', what: `Node ${process.versions.node}` };
  }
  return {
    level: 'problem',
    what: `Node ${process.versions.node} is too old`,
    advice: [`use ${nodeNeeded.major}.${nodeNeeded.minor} or newer, or start through npm, which brings its own`],
  };
}

async function findDirectory({ dataDir, freeDiskBytesMin }: Config): Promise<Finding[]> {
  const existing = await firstExisting(dataDir);
  const findings: Finding[] = [];
  try {
    await access(existing, constants.R_OK | constants.W_OK | constants.X_OK);
    const note = existing === dataDir ? '' : ' (it will be made at the first start)';
    findings.push({ level: 'ok', what: `data directory ${dataDir} can be written${note}` });
  } catch {
    findings.push({
      level: 'problem',
      what: `data directory ${dataDir} can't be written`,
      advice: ['give its owner rights to it, or set ESP_DATA_DIR to another one'],
    });
  }
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const room = `${gibibytes(free)} free on its disk, ${gibibytes(freeDiskBytesMin)} needed`;
  findings.push(
    free >= freeDiskBytesMin
      ? { level: 'ok', what: room }
      : {
          level: 'problem',
          what: `${room}: new events are answered 503 disk_full`,
          advice: [
            'make room',
            'keep events for a shorter time: ESP_RETENTION_DAYS',
            'or lower ESP_FREE_DISK_BYTES_MIN',
          ],
        },
  );
  return findings;
}

async function firstExisting(path: string): Promise<string> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  return exists || dirname(path) === path ? path : firstExisting(dirname(path));
}

/** What a running server says of itself. @throws UnreachableError where none answers */
export async function findOnServer(client: ApiClient): Promise<readonly Finding[]> {
  const answer = await client.request('/health/ready');
  if (answer.status !== 200 && answer.status !== 503) throw problemError(answer, client.url);
  const { ready, reasons } = JSON.parse(answer.text) as ReadinessView;
  const findings: Finding[] = [{ level: 'ok', what: `a server answers at ${client.url}` }];
  if (ready) findings.push({ level: 'ok', what: 'it is ready' });
  for (const { code, message } of reasons) {
    findings.push({ level: 'problem', what: `it is not ready: ${message}`, advice: adviceFor[code] ?? [] });
  }

  const ledger: LedgerView = await client.json('/api/ledger');
  findings.push(...judgeLedger(ledger));
  for (const { partition, halted } of ledger.partitions) {
    if (halted === null || reasons.some(({ message }) => message.includes(halted))) continue;
    findings.push({
      level: 'problem',
      what: `partition ${partition} is halted: ${halted}`,
      advice: adviceFor.bug ?? [],
    });
  }
  return findings;
}

const logReplacedAdvice = [
  'if the log was lost or put back from a backup by mistake: stop the server, put the right files back, start again',
  'if it is meant to be this one: stop the server, then run esp doctor --adopt-log; it is then read from its beginning, and',
  '  events that were stored before are recognised by their ids',
];

const adviceFor: Readonly<Record<string, readonly string[]>> = {
  log_replaced: logReplacedAdvice,
  disk_full: ['make room on the disk, or lower ESP_FREE_DISK_BYTES_MIN'],
  not_claimed: ['look into the server log for store errors; it tries again by itself'],
  worker_down: ['wait a moment; if it stays, the server log says why'],
  shutting_down: ['wait until it has ended'],
  unbalanced: ['stop the server, run esp verify, and report what it says'],
  bug: ['the server log has the error; report it, then start the server again: no event is lost meanwhile'],
};

interface LedgerNumbers {
  readonly stored: number;
  readonly duplicate: number;
  readonly failed: number;
  readonly lost: number;
  readonly inFlight: number;
  readonly openInInbox: number;
  readonly balanced: boolean;
}

function judgeLedger(view: LedgerView): Finding[] {
  return judgeNumbers({ ...view, inFlight: view.in_flight, openInInbox: view.open_in_inbox });
}

function judgeNumbers(ledger: LedgerNumbers): Finding[] {
  const { stored, duplicate, failed, lost, inFlight, openInInbox } = ledger;
  const numbers =
    `${formatCount(stored)} stored, ${formatCount(duplicate)} duplicates, ${formatCount(failed)} failed, ` +
    `${formatCount(inFlight)} on their way`;
  const findings: Finding[] = [
    ledger.balanced
      ? { level: 'ok', what: `every event is accounted for: ${numbers}` }
      : {
          level: 'problem',
          what: `the ledger does not balance: ${numbers}, ${formatCount(lost)} lost`,
          advice: adviceFor.unbalanced ?? [],
        },
  ];
  if (lost > 0) {
    findings.push({
      level: 'warning',
      what: `${formatCount(lost)} records had left the log before they were processed`,
      advice: [`the log keeps ${limits.logRetentionMs / 86_400_000} days: was the server stopped for longer?`],
    });
  }
  if (openInInbox > 0) {
    findings.push({
      level: 'warning',
      what: `${formatCount(openInInbox)} failed events wait in the inbox`,
      advice: ['esp failed list, then esp failed redrive or esp failed discard'],
    });
  }
  return findings;
}

/** What the files say, opened here because no server answers. */
export async function findInFiles(config: Config, url: string): Promise<readonly Finding[]> {
  const start = `npm start starts one; a server elsewhere is found by ESP_URL`;
  const silent: Finding = { level: 'warning', what: `nothing answers at ${url}`, advice: [start] };
  const { hasData, inspectOffline } = await import('../runtime/offline.ts');
  if (!hasData(config)) return [silent, { level: 'ok', what: `nothing is stored in ${config.dataDir} yet` }];
  try {
    const { ledger, replacements } = await inspectOffline(config);
    return [
      silent,
      { level: 'ok', what: 'no other process holds the data directory' },
      ...judgeNumbers(ledger),
      ...replacements.map((what): Finding => ({ level: 'problem', what, advice: logReplacedAdvice })),
    ];
  } catch (error) {
    if (!(error instanceof StartupError || error instanceof UnavailableError)) throw error;
    return [silent, { level: 'problem', what: error.message }];
  }
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
