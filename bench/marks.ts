import type { ProductionResult } from './measure/production.ts';
import { accountsOf, type Results } from './results.ts';

/** What the product has to reach. Ratios rather than rates where the machine would decide. */
export interface Mark {
  readonly number: number;
  readonly what: string;
  readonly figure: string;
  readonly mustBe: string;
  readonly held: boolean;
}

const ingestRatioMin = 0.35;
/** A worker that is done so soon after the load ends has kept up with it. */
const drainSecondsMax = 2;
const rowsPerSecondMin = 60_000;
const idleMbMax = 150;
const kafkaRatioMin = 0.4;
const postgresRowsPerSecondMin = 60_000;
const workerMbMax = 350;

/** The marks that what was measured can tell about. */
export function judge(results: Results): readonly Mark[] {
  const marks: Mark[] = [];
  const { ingest, processing, memory, production } = results;
  if (ingest) {
    const { ratio, product } = ingest;
    const keptUp = product.drainSeconds.max <= drainSecondsMax;
    marks.push({
      number: 1,
      what: 'single POST over bare node:http, the worker keeping up',
      figure:
        `${ratio.median.toFixed(2)}, everything stored ${product.drainSeconds.max.toFixed(1)} s after the end ` +
        `(backlog ${Math.round(product.backlog.max)})`,
      mustBe: `≥ ${ingestRatioMin}, stored within ${drainSecondsMax} s`,
      held: ratio.median >= ingestRatioMin && keptUp,
    });
  }
  if (processing) {
    marks.push({
      number: 2,
      what: 'processing',
      figure: `${Math.round(processing.rowsPerSecond.median)} rows/s`,
      mustBe: `≥ ${rowsPerSecondMin} rows/s`,
      held: processing.rowsPerSecond.median >= rowsPerSecondMin,
    });
  }
  if (memory) {
    marks.push({
      number: 3,
      what: 'idle memory',
      figure: `${Math.round(memory.idle.rssMb)} MiB`,
      mustBe: `≤ ${idleMbMax} MiB`,
      held: memory.idle.rssMb <= idleMbMax,
    });
  }
  if (production) marks.push(...productionMarks(production));
  const accounts = accountsOf(results);
  if (accounts.length > 0) marks.push(accountMark(results));
  return marks;
}

function productionMarks({ ratio, rowsPerSecond, workerPeakMb }: ProductionResult): Mark[] {
  return [
    {
      number: 5,
      what: 'on Kafka: single POST over bare node:http',
      figure: ratio.median.toFixed(2),
      mustBe: `≥ ${kafkaRatioMin}`,
      held: ratio.median >= kafkaRatioMin,
    },
    {
      number: 6,
      what: 'into PostgreSQL',
      figure: `${Math.round(rowsPerSecond.median)} rows/s`,
      mustBe: `≥ ${postgresRowsPerSecondMin} rows/s`,
      held: rowsPerSecond.median >= postgresRowsPerSecondMin,
    },
    {
      number: 7,
      what: "a worker's memory while it stores",
      figure: `${Math.round(workerPeakMb)} MiB`,
      mustBe: `≤ ${workerMbMax} MiB`,
      held: workerPeakMb <= workerMbMax,
    },
  ];
}

function accountMark(results: Results): Mark {
  const accounts = accountsOf(results);
  const sum = (pick: (account: (typeof accounts)[number]) => number) =>
    accounts.reduce((total, account) => total + pick(account), 0);
  const [lost, doubled] = [sum((account) => account.lost), sum((account) => account.doubled)];
  const agrees = accounts.every((account) => account.ledgerAgrees);
  return {
    number: 4,
    what: 'accepted and not stored, stored and not accepted',
    figure: `${lost} lost, ${doubled} doubled of ${sum((account) => account.accepted)}${agrees ? '' : ', the ledger disagrees'}`,
    mustBe: '0, 0, and the ledger the same',
    held: lost === 0 && doubled === 0 && agrees,
  };
}
