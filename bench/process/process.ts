import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { accountText, disturbance, fixed, lines, partsText, show, whole } from '../parts/text.ts';
import { type EmbeddedProcessing, measureEmbedded } from './embedded.ts';
import { measurePostgres, type PostgresProcessing } from './postgres.ts';

const embeddedRowsMin = 100_000;
const copyRatioMin = 0.7;
/** MiB of 300 MB. */
const workerMbMax = 286;

export const process: Measurement = { name: 'process', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbedded(setup);
  const servers = await setup.servers();
  if ('leftOut' in servers) {
    return {
      result: { embedded },
      text: [embeddedText(embedded), `left out: ${servers.leftOut}`].join('\n\n'),
      marks: [embeddedMark(embedded)],
      accounts: [embedded.account],
    };
  }
  const postgres = await measurePostgres(setup, servers);
  return {
    result: { embedded, postgres },
    text: [embeddedText(embedded), postgresText(postgres)].join('\n\n'),
    marks: [...postgresMarks(postgres), embeddedMark(embedded)],
    accounts: [embedded.account, postgres.account],
  };
}

function postgresMarks({ copyRatio, workerPeakMb, rowsPerSecond }: PostgresProcessing): Mark[] {
  return [
    {
      number: '3b',
      what: 'into PostgreSQL over COPY of the same rows on one connection',
      figure: copyRatio.median.toFixed(2),
      mustBe: `≥ ${copyRatioMin}`,
      held: copyRatio.median >= copyRatioMin,
    },
    {
      number: '7d',
      what: "a worker's memory while it stores",
      figure: `${Math.round(workerPeakMb)} MiB at ${Math.round(rowsPerSecond.median)} rows/s`,
      mustBe: `≤ ${workerMbMax} MiB`,
      held: workerPeakMb <= workerMbMax,
    },
  ];
}

function embeddedMark({ rowsPerSecond }: EmbeddedProcessing): Mark {
  return {
    number: '3c',
    what: 'embedded processing',
    figure: `${Math.round(rowsPerSecond.median)} rows/s`,
    mustBe: `≥ ${embeddedRowsMin} rows/s`,
    held: rowsPerSecond.median >= embeddedRowsMin,
  };
}

function embeddedText(result: EmbeddedProcessing): string {
  return lines(`Embedded: processing a backlog of ${whole(result.events)} events`, [
    ['product, rows/s', show(result.rowsPerSecond, whole)],
    ['bare SQLite inserts, rows/s', show(result.bareRowsPerSecond, whole)],
    ['product / bare', show(result.ratio, fixed(2))],
    [
      'CPU s / 100,000 events',
      `${show(result.cpuSecondsPer100k, fixed(2))}: ${partsText(result.threadCpuSecondsPer100k)}`,
    ],
    ['account', accountText(result.account)],
    ...disturbance(result.otherCores.max),
  ]);
}

function postgresText(result: PostgresProcessing): string {
  return lines('Into PostgreSQL, with Redis', [
    ['esp worker, rows/s', show(result.rowsPerSecond, whole)],
    ['COPY of the same rows, rows/s', show(result.copyRowsPerSecond, whole)],
    ['esp worker / COPY', show(result.copyRatio, fixed(2))],
    ['CPU s / 100,000 events', partsText(result.cpuSecondsPer100k)],
    ['esp worker, peak resident', `${whole(result.workerPeakMb)} MiB`],
    ['account', accountText(result.account)],
  ]);
}
