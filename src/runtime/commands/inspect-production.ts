import { StartupError, UnavailableError } from '../../domain/failure.ts';
import type { PostgresReport } from '../compose/compose.checks.ts';
import type { Finding } from '../compose/finding.ts';
import type { ProductionConfig } from '../config/config.production.ts';
import type { Config } from '../config/config.ts';
import { judgeLedger } from './judge-ledger.ts';
import { inspectOffline } from './offline.ts';
import { checkTopics, type TopicsReport } from './topics.ts';

/**
 * What is to be said of Kafka, PostgreSQL and Redis, and of what they hold together: each asked by itself, so that one
 * that is away hides nothing of the others.
 */
export async function inspectProduction(config: Config, production: ProductionConfig): Promise<readonly Finding[]> {
  // All clients first: importing one takes hundreds of milliseconds, in which no answer of another part would be heard.
  const [{ checkDatabase, checkMetricsServer }] = await Promise.all([
    import('../compose/compose.checks.ts'),
    import('../compose/compose.topics.ts'),
  ]);
  const [kafka, postgres, redis] = await Promise.all([
    ask('Kafka', 'KAFKA_BROKERS', async () => judgeTopics(await checkTopics(config), production)),
    ask('PostgreSQL', 'DATABASE_URL', async () => judgePostgres(await checkDatabase(production))),
    checkMetricsServer(production),
  ]);
  const data =
    kafka.isUsable && postgres.isUsable ? await ask('the data', 'KAFKA_BROKERS', () => inspectData(config)) : null;
  return [...kafka.findings, ...postgres.findings, ...redis, ...(data?.findings ?? [])];
}

interface PartFindings {
  readonly findings: readonly Finding[];
  /** Whether it can be looked into any further. */
  readonly isUsable: boolean;
}

async function ask(what: string, variable: string, look: () => Promise<PartFindings>): Promise<PartFindings> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof StartupError) {
      return { findings: [{ level: 'problem', what: error.message }], isUsable: false };
    }
    if (!(error instanceof UnavailableError)) throw error;
    const advice = [`start it, or look at the network between; ${variable} says where it is`];
    return {
      findings: [{ level: 'problem', what: `${what} does not answer: ${error.message}`, advice }],
      isUsable: false,
    };
  }
}

function judgeTopics(report: TopicsReport, { kafka }: ProductionConfig): PartFindings {
  const findings: Finding[] = [{ level: 'ok', what: `Kafka answers at ${kafka.brokers.join(', ')}` }];
  for (const name of report.missing) {
    findings.push({ level: 'problem', what: `the topic ${name} is missing`, advice: ['esp topics create'] });
  }
  for (const { name, partitions, replication } of report.topics) {
    const shape = `${counted(partitions, 'partition')}, ${counted(replication, 'copy', 'copies')} of each`;
    findings.push({ level: 'ok', what: `the topic ${name} has ${shape}` });
  }
  for (const { topic, level, what, mend } of report.findings) {
    findings.push({ level: level === 'wrong' ? 'problem' : 'warning', what: `${topic}: ${what}`, advice: [mend] });
  }
  if (report.durability !== null) {
    const events = report.topics.find(({ role }) => role === 'events');
    findings.push(
      events?.replication === 1
        ? { level: 'warning', what: report.durability, advice: ['three brokers or more keep events when one is lost'] }
        : { level: 'ok', what: report.durability },
    );
  }
  return { findings, isUsable: !report.missing.includes(kafka.topic) };
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Received and stored are told by clocks of several machines: what they are apart shows in every latency. */
const clockApartMsMax = 1_000;
/** Sessions that are left, below which the next process that starts may find none. */
const connectionsLeftMin = 20;

function judgePostgres(report: PostgresReport): PartFindings {
  const { version, clockAheadMs, isStandby, settings, connections, missingMigrations, missingRights } = report;
  const findings: Finding[] = [{ level: 'ok', what: `PostgreSQL ${version} answers` }];
  const problem = (what: string, ...advice: string[]) => findings.push({ level: 'problem', what, advice });
  const warning = (what: string, ...advice: string[]) => findings.push({ level: 'warning', what, advice });

  if (missingMigrations.length > 0) {
    problem(`its schema lacks ${missingMigrations.length} migrations (${missingMigrations.join(', ')})`, 'esp migrate');
  } else findings.push({ level: 'ok', what: 'its schema is up to date' });
  if (isStandby) problem('it is a standby, which takes no writes', 'let DATABASE_URL name the primary');
  for (const right of missingRights) problem(`this user lacks ${right}`, `GRANT ${right} TO the user of DATABASE_URL`);
  if (settings.fsync !== 'on') problem('fsync is off: a power cut may damage everything', 'set fsync = on');
  if (settings.fullPageWrites !== 'on') {
    warning('full_page_writes is off: a power cut may damage pages, unless the file system rules it out', 'set it on');
  }
  if (settings.synchronousCommit === 'off') {
    warning(
      'synchronous_commit is off: a crash of the server takes the newest batches, which are then read again',
      'set it on, where ?wait=stored has to mean more than that',
    );
  }
  if (Math.abs(clockAheadMs) > clockApartMsMax) {
    const direction = clockAheadMs > 0 ? 'ahead of' : 'behind';
    warning(`its clock is ${Math.abs(clockAheadMs)} ms ${direction} this machine's`, 'keep both in time: NTP');
  }
  const left = connections.max - connections.used;
  if (left < connectionsLeftMin) {
    warning(
      `${connections.used} of its ${connections.max} connections are in use`,
      'raise max_connections, or put a pooling proxy before it',
    );
  }
  return { findings, isUsable: missingMigrations.length === 0 && missingRights.length === 0 };
}

async function inspectData(config: Config): Promise<PartFindings> {
  const { ledger, replacements } = await inspectOffline(config);
  const replaced = replacements.map((what): Finding => ({ level: 'problem', what, advice: replacedAdvice }));
  return { findings: [...judgeLedger(ledger, 'as long as retention.ms says'), ...replaced], isUsable: true };
}

const replacedAdvice = [
  'if the topic was lost or put back from a backup by mistake: put the right one back; everything goes on by itself',
  'if it is meant to be this one: esp doctor --adopt-log; it is then read from its beginning, and events that were',
  '  stored before are recognised by their ids. Processes that run go on within seconds',
];
