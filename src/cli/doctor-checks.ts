import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSupportedNode, supportedNode } from '../../bin/supported-node.js';
import { StartupError, UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { LedgerView, ReadinessView } from '../http/contract.ts';
import { judgeLedger } from '../runtime/commands/judge-ledger.ts';
import type { Finding } from '../runtime/compose/finding.ts';
import type { Config } from '../runtime/config/config.ts';
import { type ApiClient, problemError } from './api-client.ts';

/** This machine and the data directory, or the parts elsewhere that take its place; whether or not a server runs. */
export async function findHere(config: Config): Promise<readonly Finding[]> {
  if (config.production === null) return [findNode(), ...(await findDirectory(config))];
  const { inspectProduction } = await import('../runtime/commands/inspect-production.ts');
  return [findNode(), ...(await inspectProduction(config, config.production))];
}

function findNode(): Finding {
  if (isSupportedNode(process.versions.node)) return { level: 'ok', what: `Node ${process.versions.node}` };
  return {
    level: 'problem',
    what: `Node ${process.versions.node} is none on which all tests pass`,
    advice: [`use ${supportedNode}, or start through bin/esp.js, which brings its own`],
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
  return [...(await findReadiness(client, adviceFor)), ...(await findLedger(client))];
}

/** The same of a server whose parts were looked into already. */
export function findOnSharedServer(client: ApiClient): Promise<readonly Finding[]> {
  return findReadiness(client, {});
}

type Advice = Readonly<Record<string, readonly string[]>>;

async function findReadiness(client: ApiClient, advice: Advice): Promise<readonly Finding[]> {
  const answer = await client.request('/health/ready');
  if (answer.status !== 200 && answer.status !== 503) throw problemError(answer, client.url);
  const { ready, reasons } = JSON.parse(answer.text) as ReadinessView;
  const findings: Finding[] = [{ level: 'ok', what: `a server answers at ${client.url}` }];
  if (ready && reasons.length === 0) findings.push({ level: 'ok', what: 'it is ready' });
  for (const { code, message } of reasons) {
    const what = ready ? `it is ready, but: ${message}` : `it is not ready: ${message}`;
    findings.push({ level: ready ? 'warning' : 'problem', what, advice: advice[code] ?? [] });
  }
  return findings;
}

async function findLedger(client: ApiClient): Promise<readonly Finding[]> {
  const ledger: LedgerView = await client.json('/api/ledger');
  const numbers = { ...ledger, inFlight: ledger.in_flight, openInInbox: ledger.open_in_inbox };
  return [...judgeLedger(numbers, logKept)];
}

const logReplacedAdvice = [
  'if the log was lost or put back from a backup by mistake: stop the server, put the right files back, start again',
  'if it is meant to be this one: stop the server, then run esp doctor --adopt-log; it is then read from its beginning, and',
  '  events that were stored before are recognised by their ids',
];

const logDamagedAdvice = [
  'with a sound copy of that file: stop the server, put it in place, start again; the other partitions go on meanwhile',
  'without one: stop the server, then run esp give-up; it says what would be lost before it does anything',
];

const adviceFor: Advice = {
  log_replaced: logReplacedAdvice,
  log_damaged: logDamagedAdvice,
  disk_full: ['make room on the disk, or lower ESP_FREE_DISK_BYTES_MIN'],
  not_claimed: ['look into the server log for store errors; it tries again by itself'],
  worker_down: ['wait a moment; if it stays, the server log says why'],
  http_threads_down: ['wait a moment; if it stays, the server log says why: http_thread.ended'],
  shutting_down: ['wait until it has ended'],
  bug: ['the server log has the error; report it, then start the server again: no event is lost meanwhile'],
};

const logKept = `${limits.logRetentionMs / 86_400_000} days`;

export function findSilent(url: string): Finding {
  const advice = ['npm start starts one; a server elsewhere is found by ESP_URL'];
  return { level: 'warning', what: `nothing answers at ${url}`, advice };
}

/** What the files say, opened here because no server answers. */
export async function findInFiles(config: Config, url: string): Promise<readonly Finding[]> {
  const silent = findSilent(url);
  const { hasData, inspectOffline } = await import('../runtime/commands/offline.ts');
  if (!hasData(config)) return [silent, { level: 'ok', what: `nothing is stored in ${config.dataDir} yet` }];
  try {
    const { ledger, replacements, damages } = await inspectOffline(config);
    return [
      silent,
      { level: 'ok', what: 'no other process holds the data directory' },
      ...judgeLedger(ledger, logKept),
      ...replacements.map((what): Finding => ({ level: 'problem', what, advice: logReplacedAdvice })),
      ...damages.map((what): Finding => ({ level: 'problem', what, advice: logDamagedAdvice })),
    ];
  } catch (error) {
    if (!(error instanceof StartupError || error instanceof UnavailableError)) throw error;
    return [silent, { level: 'problem', what: error.message }];
  }
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
