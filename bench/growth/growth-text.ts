import { accountText, fixed, lines, show, whole } from '../parts/text.ts';
import type { BacklogResult } from './backlog.ts';
import type { ClientsResult } from './clients.ts';
import type { GrownReads, Reads } from './grown.ts';
import type { RedisMemory } from './redis-memory.ts';
import type { RowsAtSize } from './rows-at-size.ts';

const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1);

export function readsText(where: string, { fewRows, manyRows, times }: Reads): string {
  return lines(
    `${where}: ms of a read at ${whole(fewRows)} and at ${whole(manyRows)} stored events, median (p99)`,
    times.map(({ name, few, many }) => [
      name,
      `${ms(few.p50)} (${ms(few.p99)})  ${ms(many.p50)} (${ms(many.p99)})  × ${(many.p50 / few.p50).toFixed(2)}`,
    ]),
  );
}

export function clientsText(where: string, result: ClientsResult): string {
  const { clients, eventsPerSecond, withoutCores, oneCores, allCores, seen } = result;
  const percent = (cores: number) => `${(cores * 100).toFixed(1)} %`;
  return lines('Of a core, what clients of the live stream cost an API', [
    [
      `${where}, ${eventsPerSecond} events/s`,
      `one ${percent(oneCores - withoutCores)}, ${clients} ${percent(allCores - withoutCores)}; each got ` +
        `${seen.snapshotsPerSecond.toFixed(1)} snapshots and ${whole(seen.bytesPerSecond / 1024)} KiB a second`,
    ],
  ]);
}

export function memoryText({ bytesPerType }: RedisMemory): string {
  return lines(
    'Redis memory of one more event type in one partition, in every step of a day',
    bytesPerType.map(({ eventsPerStep, bytes }) => [`${whole(eventsPerStep)} in 10 s`, `${whole(bytes)} bytes`]),
  );
}

export function rebuildText({ types, rebuilds }: GrownReads): string {
  return lines(
    'Metrics on Redis made anew from the store',
    rebuilds.map(({ history, result }): [string, string] => [
      `${whole(result.total)} events of ${whole(types)} types, ${history}`,
      `esp rebuild-metrics ${result.commandMs.map((time) => (time / 1000).toFixed(1)).join(', ')} s; after FLUSHALL right ` +
        `again in ${(result.healedMs / 1000).toFixed(1)} s; ${whole(result.redisBytes / 2 ** 20)} MiB of Redis`,
    ]),
  );
}

export function backlogText(result: BacklogResult): string {
  const { quietMs, busy } = result;
  return lines(`A backlog of ${whole(result.events)} events in seven of eight partitions`, [
    ['rows/s', whole(result.rowsPerSecond)],
    ['of a short one, before and behind', result.shortRowsPerSecond.map(whole).join(', ')],
    [
      'an event of the eighth → dashboard',
      `p50 ${ms(quietMs.p50)}, p99 ${ms(quietMs.p99)}, max ${ms(quietMs.max)} ms (${quietMs.samples} events)`,
    ],
    [
      'events behind a backlog',
      `${busy.sent} sent, ${busy.stored} stored, ${busy.counted} counted, ${busy.inOrder ? 'in order' : 'OUT OF ORDER'}`,
    ],
    ['account', accountText(result.account)],
  ]);
}

export function rowsText(results: readonly RowsAtSize[]): string {
  return lines(
    'Into PostgreSQL, a small table and a large one',
    results.flatMap(({ ids, rowsStored, emptyRowsPerSecond, fullRowsPerSecond, ratio, indexBytes, perRow }) => [
      [`ids ${ids}: rows/s into few`, show(emptyRowsPerSecond, whole)] as const,
      [`rows/s into ${whole(rowsStored)}`, show(fullRowsPerSecond, whole)] as const,
      ['ratio', show(ratio, fixed(2))] as const,
      [
        'index of ids, and what a row costs',
        `${whole(indexBytes / 2 ** 20)} MiB; ${whole(perRow.walBytes)} bytes of WAL, ` +
          `${perRow.fullPageImages.toFixed(2)} whole pages in it, ${perRow.pagesRead.toFixed(2)} pages read`,
      ] as const,
    ]),
  );
}
