import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { lines } from '../parts/text.ts';
import { type BacklogResult, measureBacklog } from './backlog.ts';
import { type GrownReads, measureEmbeddedReads, measureServerReads } from './grown.ts';
import { backlogText, clientsText, memoryText, readsText, rebuildText, rowsText } from './growth-text.ts';
import { backlogMarks, clientsMark, memoryMark, readsMark, rebuildMark, rowsMark } from './marks.ts';
import { measureRedisMemory, type RedisMemory } from './redis-memory.ts';
import { measureRowsAtSize, type RowsAtSize } from './rows-at-size.ts';

/** It fills stores with up to 20 million rows: that takes long, and 20 GB of disk. */
export const growth: Measurement = { name: 'growth', isDefault: false, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbeddedReads(setup);
  const marks: Mark[] = [readsMark('6a', 'embedded', embedded)];
  const texts = [readsText('Embedded', embedded)];
  const servers = await setup.servers();
  if ('leftOut' in servers) {
    texts.push(lines('On Kafka, PostgreSQL and Redis', [['left out', servers.leftOut]]));
    return { result: { embedded }, text: texts.join('\n\n'), marks, accounts: [] };
  }
  const few = await measureServerReads(setup, servers, 10);
  const many = await measureServerReads(setup, servers, 2_000);
  const redisMemory = await measureRedisMemory(await servers.install());
  const backlog = await measureBacklog(setup, servers);
  const made = await measureRowsAtSize(setup, servers, 'v7');
  const random = await measureRowsAtSize(setup, servers, 'v4');
  marks.push(...marksOf({ few, many, redisMemory, backlog, made }));
  texts.push(
    readsText('PostgreSQL, 10 event types', few.reads),
    readsText('PostgreSQL, 2,000 event types', many.reads),
    clientsText([few.clients, many.clients]),
    memoryText(redisMemory),
    rebuildText([few, many]),
    backlogText(backlog),
    rowsText([made, random]),
  );
  const result = { embedded, few, many, redisMemory, backlog, made, random };
  return { result, text: texts.join('\n\n'), marks, accounts: [backlog.account] };
}

interface OnServers {
  readonly few: GrownReads;
  readonly many: GrownReads;
  readonly redisMemory: RedisMemory;
  readonly backlog: BacklogResult;
  readonly made: RowsAtSize;
}

function marksOf({ few, many, redisMemory, backlog, made }: OnServers): readonly Mark[] {
  return [
    readsMark('6a', 'PostgreSQL', few.reads),
    readsMark('6b', 'PostgreSQL, 2,000 event types', many.reads),
    clientsMark('10 event types', few.clients),
    clientsMark('2,000 event types', many.clients),
    memoryMark(redisMemory),
    ...backlogMarks(backlog),
    rebuildMark('10 event types', few),
    rebuildMark('2,000 event types', many),
    rowsMark(made),
  ];
}
