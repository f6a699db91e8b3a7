import type { LeftOut, Measured, Measurement, Setup } from '../measurement.ts';
import type { Servers } from '../parts/servers.ts';
import { leftOutText } from '../parts/text.ts';
import { measureBacklog } from './backlog.ts';
import { measureEmbeddedReads, measureGrown } from './grown.ts';
import { backlogText, clientsText, memoryText, readsText, rebuildText, rowsText } from './growth-text.ts';
import { backlogMarks, clientsMark, memoryMark, readsMark, rebuildMark, rowsMark } from './marks.ts';
import { measureRedisMemory } from './redis-memory.ts';
import { measureRowsAtSize } from './rows-at-size.ts';

/** They fill stores with up to 20 million rows: that takes long, and 20 GB of disk. `growth` asks for all of them. */
export const growth: readonly Measurement[] = [
  { name: 'growth-embedded', isDefault: false, measure: measureEmbedded },
  ...[10, 2_000].map((types) => ({
    name: `growth-${types}-types`,
    isDefault: false,
    measure: onServers(async (setup: Setup, servers: Servers) => measureTypes(setup, servers, types)),
  })),
  { name: 'growth-redis', isDefault: false, measure: onServers(measureMemory) },
  { name: 'growth-backlog', isDefault: false, measure: onServers(measureLongBacklog) },
  { name: 'growth-rows', isDefault: false, measure: onServers(measureRows) },
];

async function measureEmbedded(setup: Setup): Promise<Measured> {
  const reads = await measureEmbeddedReads(setup);
  const marks = [readsMark('6a', 'embedded', reads)];
  return { result: reads, text: readsText('Embedded', reads), marks, accounts: [] };
}

async function measureTypes(setup: Setup, servers: Servers, types: number): Promise<Measured> {
  const grown = await measureGrown(setup, servers, types);
  const where = `${types} event types`;
  return {
    result: grown,
    text: [readsText(`PostgreSQL, ${where}`, grown.reads), clientsText(where, grown.clients), rebuildText(grown)].join(
      '\n\n',
    ),
    marks: [
      readsMark(types === 10 ? '6a' : '6b', `PostgreSQL, ${where}`, grown.reads),
      clientsMark(where, grown.clients),
      rebuildMark(where, grown),
    ],
    accounts: [],
  };
}

async function measureMemory(_: Setup, servers: Servers): Promise<Measured> {
  const memory = await measureRedisMemory(await servers.install());
  return { result: memory, text: memoryText(memory), marks: [memoryMark(memory)], accounts: [] };
}

async function measureLongBacklog(setup: Setup, servers: Servers): Promise<Measured> {
  const backlog = await measureBacklog(setup, servers);
  return { result: backlog, text: backlogText(backlog), marks: backlogMarks(backlog), accounts: [backlog.account] };
}

async function measureRows(setup: Setup, servers: Servers): Promise<Measured> {
  const made = await measureRowsAtSize(setup, servers, 'v7');
  const random = await measureRowsAtSize(setup, servers, 'v4');
  return { result: { made, random }, text: rowsText([made, random]), marks: [rowsMark(made)], accounts: [] };
}

function onServers(measure: (setup: Setup, servers: Servers) => Promise<Measured>): Measurement['measure'] {
  return async (setup) => {
    const servers: Servers | LeftOut = await setup.servers();
    if (!('leftOut' in servers)) return measure(setup, servers);
    return { result: servers, text: leftOutText(servers), marks: [], accounts: [] };
  };
}
