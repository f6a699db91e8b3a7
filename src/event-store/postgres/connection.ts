import type { Duplex } from 'node:stream';
import { Client, DatabaseError, type Connection as PgConnection, Query, type QueryResult, types } from 'pg';
import { type UnavailableCode, UnavailableError } from '../../domain/failure.ts';
import { giveBack } from '../../domain/give-back.ts';
import { isUnprepared } from './errors.ts';
import { postgresSettings } from './settings.ts';
import type { Statement } from './statement.ts';
import type { ServerAddress } from './url.ts';

/**
 * One connection. What is asked is sent at once, and answered in the order of asking: several statements may be under
 * way, and only who needs an answer waits for it. Statements are prepared only where nobody stands between: a proxy may
 * give each transaction another connection of the server, so there all are sent whole and stand for themselves.
 */
export interface Connection {
  /** Rows as objects. Every query names its columns beside the type it reads them as. */
  rows<Row>(sql: string | Statement, values?: readonly SqlValue[]): Promise<Row[]>;
  /** Rows that a statement changed. */
  changes(sql: string | Statement, values?: readonly SqlValue[]): Promise<number>;
  /** Statements without parameters. Answers what the last of them was: `COMMIT`, `ROLLBACK`, … */
  run(text: string): Promise<string>;
  /** `COPY … FROM STDIN` with all of its data. */
  copyIn(text: string, data: Uint8Array): Promise<void>;
  isOpen(): boolean;
  destroy(): void;
  close(): Promise<void>;
}

export type SqlValue = string | number | boolean | null | Uint8Array | readonly (string | number | null)[];

export interface ConnectOptions {
  readonly address: ServerAddress;
  readonly connectMs: number;
  /** An answer that is owed for longer ends the connection. */
  readonly answerMs: number;
}

/** @throws UnavailableError; DatabaseError where the server refuses it */
export async function connect({ address, connectMs, answerMs }: ConnectOptions): Promise<Connection> {
  const client = new Client({
    connectionString: address.connectionString,
    ssl: address.ssl,
    connectionTimeoutMillis: connectMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: postgresSettings.keepAliveMs,
    fallback_application_name: 'event-stream-processor',
    pipeline: true,
    types: { getTypeParser: parserOf },
  });
  const ending = createEnding(client, address);
  try {
    await client.connect();
  } catch (error) {
    ending.destroy();
    throw error instanceof DatabaseError ? error : ending.lose('store_unavailable', describeError(error), error);
  }
  return createConnection(client, ending, answerMs);
}

function createConnection(client: Client, ending: Ending, answerMs: number): Connection {
  const holdUntilSent = createHold(client.connection);

  /** Waits for one answer, and no longer than `answerMs`. */
  async function answered<Result>(asked: Promise<Result>): Promise<Result> {
    const timer = setTimeout(() => {
      ending.lose('store_timeout', `it has not answered for ${answerMs} ms`);
      ending.destroy();
    }, answerMs);
    try {
      return await asked;
    } catch (error) {
      throw ending.explain(error);
    } finally {
      clearTimeout(timer);
    }
  }

  let isDirect = false;

  /** What is given up takes nothing more, even where its end has not been seen yet. */
  function assertOpen(): void {
    if (!ending.isOpen()) throw ending.lose('store_unavailable', 'the connection was given up');
  }

  function ask(sql: string | Statement, values?: readonly SqlValue[]): Promise<QueryResult> {
    assertOpen();
    holdUntilSent();
    const { text, name } = typeof sql === 'string' ? { text: sql, name: '' } : sql;
    return answered(
      client.query({
        text,
        ...(isDirect && name !== '' ? { name } : {}),
        ...(values === undefined ? {} : { values: values as unknown[] }),
      }),
    );
  }

  /** A proxy tells clients numbers of its own, by which they may cancel; the server tells that of its process. */
  async function findOutWhoAnswers(): Promise<void> {
    const { processID } = client as unknown as { readonly processID: number };
    const [{ pid }] = (await ask('SELECT pg_backend_pid() AS pid')).rows as [{ readonly pid: number }];
    isDirect = pid === processID;
  }

  // Not waited for, and of no interest to anybody if it fails: whatever is asked next fails too.
  findOutWhoAnswers().catch(() => undefined);
  return {
    rows: <Row>(sql: string | Statement, values?: readonly SqlValue[]) =>
      kept(ask(sql, values).then(({ rows }) => rows as Row[])),
    changes: (sql, values) => kept(ask(sql, values).then(({ rowCount }) => rowCount ?? 0)),
    run: (text) => kept(ask(text).then(commandOf)),
    copyIn(text, data) {
      assertOpen();
      holdUntilSent();
      return kept(answered(copyIn(client, text, data)));
    },
    isOpen: ending.isOpen,
    destroy: ending.destroy,
    close: () => ending.close(),
  };
}

/** An answer that may fail before anybody waits for it: who sends several, and throws in between, waits for none. */
function kept<Answer>(answer: Promise<Answer>): Promise<Answer> {
  answer.catch(() => undefined);
  return answer;
}

/** One result, or a list of them where there were several statements: the driver's types know only the one. */
function commandOf(results: QueryResult | QueryResult[]): string {
  return (Array.isArray(results) ? results.at(-1)! : results).command;
}

/**
 * The data goes out right behind the command. Where the command fails, the server drops what was sent for it: the
 * protocol has it so (PostgreSQL's documentation, 54.2.7).
 */
function copyIn(client: Client, text: string, data: Uint8Array): Promise<void> {
  const copied = Promise.withResolvers<void>();
  const settle = (error?: Error) => {
    if (error) return copied.reject(error);
    // The server has all of it; of a command that failed some may still have to be sent.
    giveBack(data);
    copied.resolve();
  };
  const query = Object.assign(new Query({ text }, settle), {
    submit(connection: PgConnection): null {
      const head = Buffer.allocUnsafe(5);
      head[0] = copyDataCode;
      head.writeInt32BE(data.byteLength + 4, 1);
      connection.query(text);
      connection.stream.write(head);
      connection.stream.write(data);
      connection.stream.write(copyDone);
      return null;
    },
    // The driver would answer that there is no data.
    handleCopyInResponse(): void {},
  });
  client.query(query);
  return copied.promise;
}

/**
 * Everything that is asked in one turn goes out in one piece. By itself each statement is a call of the system, and
 * wakes the server: in small batches that was a quarter of a worker's time.
 */
function createHold({ stream }: { readonly stream: Duplex }): () => void {
  let isHeld = false;
  return () => {
    if (isHeld) return;
    isHeld = true;
    stream.cork();
    process.nextTick(() => {
      isHeld = false;
      stream.uncork();
    });
  };
}

const copyDataCode = 'd'.charCodeAt(0);
const copyDone = Buffer.from(['c'.charCodeAt(0), 0, 0, 0, 4]);

type Ending = ReturnType<typeof createEnding>;

/** How a connection ends, and what that means for those who still wait for an answer. */
function createEnding(client: Client, { shown }: ServerAddress) {
  let lost: UnavailableError | null = null;
  let isEnding = false;

  /** The first reason stays. */
  function lose(code: UnavailableCode, reason: string, cause?: unknown): UnavailableError {
    lost ??= new UnavailableError(code, `PostgreSQL at ${shown}: ${reason}.`, { cause });
    return lost;
  }

  function destroy(): void {
    isEnding = true;
    client.connection.stream.destroy();
  }

  client.on('error', (error) => {
    lose('store_unavailable', describeError(error), error);
  });
  client.on('end', () => {
    lose('store_unavailable', 'the connection was closed');
  });

  return {
    lose,
    destroy,
    isOpen: () => lost === null && !isEnding,
    /** What an error of a statement means. */
    explain(error: unknown): unknown {
      if (!(error instanceof DatabaseError)) return lost ?? error;
      // The server closes the connection after these; or what was prepared on it is not there, or not what it was.
      if (error.severity === 'FATAL' || error.severity === 'PANIC' || isUnprepared(error)) {
        lose('store_unavailable', error.message, error);
        destroy();
      }
      return error;
    },
    async close(): Promise<void> {
      isEnding = true;
      const timer = setTimeout(destroy, postgresSettings.endMs);
      await client.end().catch(() => {});
      clearTimeout(timer);
    },
  };
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several addresses of one name were tried.
  if (error instanceof AggregateError) return error.errors.map(describeError).join(', ');
  return error.message;
}

const oid = { bytea: 17, int8: 20, json: 114, jsonb: 3802 } as const;

/** Offsets, times and counts stay within 2^53; JSON stays text, since parsing would lose digits. */
function parserOf(type: number, format?: 'text' | 'binary'): (text: string) => unknown {
  if (type === oid.int8) return Number;
  if (type === oid.json || type === oid.jsonb) return String;
  if (type === oid.bytea) return toBytes;
  return types.getTypeParser(type, format as 'text');
}

const toBuffer = types.getTypeParser(oid.bytea);

/** The driver's Buffer as the plain array of bytes that the port speaks of. */
function toBytes(text: string): Uint8Array {
  const { buffer, byteOffset, byteLength } = toBuffer(text) as unknown as Buffer;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
