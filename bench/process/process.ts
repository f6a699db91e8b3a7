import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { accountText, disturbance, fixed, leftOutText, lines, partsText, show, whole } from '../parts/text.ts';
import { type EmbeddedProcessing, measureEmbedded } from './embedded.ts';
import { measurePostgres, type PostgresProcessing } from './postgres.ts';

const embeddedRowsMin = 100_000;
const goRatioMin = 1.1;
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
      text: [embeddedText(embedded), leftOutText(servers)].join('\n\n'),
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

function postgresMarks({ goRatio, copyRatio, copyBy, workerPeakMb, worker }: PostgresProcessing): Mark[] {
  const overGo: Mark[] =
    goRatio === null
      ? []
      : [
          {
            number: '3a',
            what: 'into PostgreSQL over the sink in Go, which counts nothing',
            figure: goRatio.median.toFixed(2),
            mustBe: `≥ ${goRatioMin}`,
            held: goRatio.median >= goRatioMin,
          },
        ];
  return [
    ...overGo,
    {
      number: '3b',
      what: `into PostgreSQL over ${copyBy} of the same rows on one connection`,
      figure: copyRatio.median.toFixed(2),
      mustBe: `≥ ${copyRatioMin}`,
      held: copyRatio.median >= copyRatioMin,
    },
    {
      number: '7d',
      what: "a worker's memory while it stores",
      figure: `${Math.round(workerPeakMb)} MiB at ${Math.round(worker.recordsPerSecond.median)} records/s`,
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
  return lines(`Embedded: processing a backlog of ${whole(result.events.median)} events`, [
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
  const { worker, go, copyRowsPerSecond } = result;
  return lines(`Into PostgreSQL, with Redis: a topic of ${whole(result.records.median)} records`, [
    ['esp worker, records/s', show(worker.recordsPerSecond, whole)],
    ...(go === null ? [] : [['sink in Go, records/s', show(go.recordsPerSecond, whole)] as const]),
    [`${result.copyBy}, rows/s`, show(copyRowsPerSecond, whole)],
    ...(result.goRatio === null ? [] : [['esp worker / Go', show(result.goRatio, fixed(2))] as const]),
    ['esp worker / COPY', show(result.copyRatio, fixed(2))],
    ['CPU s / 100,000 records', partsText(worker.cpuSecondsPer100k)],
    ...(go === null ? [] : [['… with Go', partsText(go.cpuSecondsPer100k)] as const]),
    ['esp worker, peak resident', `${whole(result.workerPeakMb)} MiB`],
    ['account', accountText(result.account)],
    ...(result.leftOut === null ? [] : [['left out', result.leftOut] as const]),
  ]);
}
