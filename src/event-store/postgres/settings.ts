/** Bounds of what the store asks of PostgreSQL. All times are milliseconds. */
export const postgresSettings = {
  /**
   * Connections that write batches, each for its share of the partitions. Measured on two cores: three leave them
   * idle at times, four hide what a commit waits for the disk; more only add sessions to the server.
   */
  writerConnections: 4,
  /** For everything else: short reads, states of the inbox, jobs. */
  sharedConnections: 4,
  /** Calls that wait for one of them: far more than an API has requests under way, and a bound. */
  waitingMax: 1_000,
  /** How long a call waits for its turn: by then those before it are known to have failed. */
  waitMs: 15_000,

  /** To reach the server and be let in. */
  connectMs: 5_000,
  /**
   * One statement. A full batch takes some 50 ms; ten seconds are a server that is in trouble, or a network that is.
   */
  statementMs: 10_000,
  /** Waiting for somebody's lock: longer than an idle transaction may hold one, so that one wait outlives it. */
  lockMs: 6_000,
  /** The server ends a transaction whose owner says nothing for so long: the locks of a frozen worker end with it. */
  idleInTransactionMs: 5_000,
  /** How often the server looks, while it works, whether anybody still waits for the answer. */
  connectionCheckMs: 2_000,
  /**
   * A connection that owes an answer for longer than this is dropped: past the server's own bound only silence is left.
   */
  answerMs: 15_000,
  /** When an idle connection is first tried by TCP. */
  keepAliveMs: 10_000,
  /** For a connection to say goodbye. */
  endMs: 2_000,

  /** A migration waits so long for another that runs, or for readers of a table it changes. */
  migrationLockMs: 60_000,
  /** An index on a large table takes long. */
  migrationStatementMs: 6 * 3_600_000,

  /** A transaction that lost a race is run again at once, this often; then the caller backs off. */
  raceTriesMax: 5,
  /** Contents that one batch's conflicts are compared with, in bytes: past it the batch is bisected. */
  contentBytesMax: 64 * 1024 * 1024,
} as const;

export type PostgresTimeouts = Partial<
  Record<
    'connectMs' | 'statementMs' | 'lockMs' | 'idleInTransactionMs' | 'connectionCheckMs' | 'answerMs' | 'waitMs',
    number
  >
>;
