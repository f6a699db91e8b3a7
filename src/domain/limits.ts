/**
 * Every bound of the program, in one place, each with its unit and its reason. Names end in the unit.
 * What an operator may change is read by runtime/config.ts; these are the starting values.
 */
export const limits = {
  /** One event as it was sent. Kafka's own default record limit is 1 MiB; a quarter leaves room for batching. */
  eventBytesMax: 256 * 1024,
  /** What a record may have beyond the event as it was sent: id, client_id, received_at, redrive_of and their names. */
  envelopeBytesMax: 1_024,
  /** One request after decompression: thirty-two of the largest events, or about 40,000 of a usual size. */
  requestBytesMax: 8 * 1024 * 1024,
  /** Events of one request: bounds the receipt (about 80 bytes each) to under 1 MiB. */
  requestEventsMax: 10_000,
  /** Levels of arrays and objects in a payload, the payload itself being level 1. PostgreSQL and most clients recurse. */
  payloadDepthMax: 64,
  /** Largest absolute value of a number: beyond it a double overflows to Infinity in every JavaScript client. */
  numberMagnitudeMax: 1e308,
  eventTypeCharactersMax: 200,
  idCharactersMax: 256,
  sourceCharactersMax: 256,
  keyCharactersMax: 256,
  /** A time with its offset and more digits of a second than any clock has. */
  occurredAtCharactersMax: 64,
  idempotencyKeyCharactersMax: 256,

  /** How long ingest waits for the log to confirm before it answers 503. */
  ingestDeadlineMs: 5_000,
  /** Bytes of records that wait for their append: 64 MiB is about three seconds of a full-speed disk. */
  ingestQueueBytesMax: 64 * 1024 * 1024,
  /** Bodies that are arriving, all together: sixteen of the largest, whatever the number of connections. */
  arrivingBodiesBytesMax: 128 * 1024 * 1024,
  /** One append group: bounds the time one flush takes, and so everybody's latency. */
  appendGroupBytesMax: 4 * 1024 * 1024,
  appendGroupRecordsMax: 10_000,
  /** Problems listed in one answer; the rest is counted. */
  problemsListedMax: 100,

  /** Records of one store transaction: past 2,000 the gain in rows/s is under 5 %, the loss in latency is not. */
  batchRecordsMax: 2_000,
  batchBytesMax: 4 * 1024 * 1024,
  /** How long a batch that is not full waits for more: what arrived together is stored together. */
  batchLingerMs: 2,
  /**
   * Batches of a partition that are not full are this far apart: a lone event is stored at once, a steady stream in fewer and
   * larger transactions (measured at top load: a third less CPU an event than with a fixed wait of 5 ms).
   */
  batchSpacingMs: 40,

  /** A record that claims to have been received so long after the log took it is taken to be received then. */
  clockSkewMaxMs: 24 * 3_600_000,

  backoffMinMs: 200,
  backoffMaxMs: 30_000,
  /** While somebody else writes to the store: asking again costs next to nothing, and it may be over at any moment. */
  backoffBusyMaxMs: 3_000,
  /** Retries of one batch that the store keeps refusing while a probe transaction succeeds, before it is bisected. */
  batchRetriesMax: 8,
  shutdownMs: 30_000,

  /** Records of one append and partition that are read and checked together. A larger record stands alone. */
  logBatchBytesMax: 256 * 1024,
  /** One file of the embedded log: the grain in which disk is given back, and some 10 ms of reading to find one's way in. */
  logSegmentBytesMax: 32 * 1024 * 1024,
  /** Appends up to this size share one buffer; larger ones, rare and busy enough, have one of their own. */
  logScratchBytes: 256 * 1024,
  /** Zeros kept ahead of the log's end: some hundred usual appends. */
  logFillBytes: 1024 * 1024,
  /** Larger appends take their room themselves: writing it twice would cost more than it saves. */
  logFillAppendBytesMax: 256 * 1024,
  /** What one read of the embedded log brings in, and what of it each thread keeps for a while. */
  logChunkBytes: 1024 * 1024,
  logChunksBytesMax: 16 * 1024 * 1024,
  logChunksIdleMs: 1_000,
  /** Segments that a thread holds open, and of which it knows where their records are (a few hundred KB each). */
  logFilesOpenMax: 8,
  logIndexedSegmentsMax: 4,
  /** Segments that are removed at a stretch, while appends wait: a file of 32 MiB takes a disk some milliseconds to free. */
  logSegmentsRemovedMax: 8,
  /** The embedded log keeps at most this long, and never longer than rows are kept. */
  logRetentionMs: 7 * 24 * 3_600_000,
  /** Below this much free disk ingest answers 503 disk_full, while there is still room to work in. */
  freeDiskBytesMin: 1024 * 1024 * 1024,
  freeDiskCheckMs: 1_000,

  /** Rows that one maintenance transaction may prune: keeps it near 50 ms, so it never holds up a batch. */
  pruneRowsMax: 5_000,
  maintenanceEveryMs: 10_000,
  /** Rollups of 10 s steps are folded into minutes after this time. The finest window that needs them is 15 min. */
  rollupFineKeptMs: 2 * 3_600_000,
  /** Minutes are folded into hours after this time. The longest window that needs them is 24 h. */
  rollupMinuteKeptMs: 2 * 24 * 3_600_000,
  rollupFoldRowsMax: 5_000,

  /** Event types that are counted by name; see ESP_EVENT_TYPES_MAX. */
  eventTypesMax: 2_000,
  /** Duplicates of one event that its timeline keeps; all of them are counted. */
  duplicatesKeptPerEvent: 20,
  recentEventsKept: 100,

  listLimitDefault: 100,
  listLimitMax: 1_000,
  /** Items of a page that are read at a time, and the bytes at which a page ends early: bounds the memory of an answer. */
  pageReadItemsMax: 100,
  pageBytesMax: 8 * 1024 * 1024,
  /** Large answers that wait for their clients, all together, in characters: sixteen of the largest pages. */
  answersHeldMax: 128 * 1024 * 1024,
  /** Reading is one thread's work: more at a time would only hold more in memory. */
  answersReadMax: 4,
  waitStoredDefaultMs: 5_000,
  waitStoredMaxMs: 30_000,
  progressPollMs: 25,
  liveSnapshotMinMs: 200,
  liveSnapshotIdleMs: 2_000,
  liveClientsMax: 500,
  /** More than a person can read in one tick; the rest is counted. */
  liveEventsPerTick: 20,
  /** Of large events a tick shows fewer, but one at least: with a hundred clients this is 128 MiB a second at most. */
  liveEventBytesPerTick: 256 * 1024,
  /** A live client that takes nothing for so long gives up its place. */
  liveStalledMs: 30_000,
  lagReadEveryMs: 1_000,
  metricsCheckEveryMs: 5_000,
  /** Events that one bulk redrive takes. */
  redriveBatchMax: 10_000,

  /** A client that sends its request slower than this is cut off. */
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 72_000,
  /**
   * How long a stop lets requests under way finish: ingest's deadline and a second, so that whatever was appended has been
   * answered. Who is stuck half way through a request by then is cut off.
   */
  requestsFinishMs: 6_000,
  /** How often connections are looked at for these timeouts: a walk over them all, so not all the time. */
  connectionsCheckMs: 1_000,
  /** Idle connections cost about 10 KB each; past this the listener refuses. */
  connectionsMax: 10_000,
} as const;
