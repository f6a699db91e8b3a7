/**
 * The bounds that more than one part goes by, each with its unit and its reason. Names end in the unit. What concerns
 * one part alone (sqliteSettings, postgresSettings) stands beside it. What an operator may change is read by
 * runtime/config/config.ts; these are the starting values.
 */
export const limits = {
  /** One event as it was sent. Kafka's own default record limit is 1 MiB; a quarter leaves room for batching. */
  eventBytesMax: 256 * 1024,
  /** What a record may have beyond the event as it was sent: id, client_id, received_at, redrive_of and their names. */
  envelopeBytesMax: 1_024,
  /** Partitions of a log: each has a loop of its own in a worker. */
  partitionsMax: 256,
  /** One request after decompression: thirty-two of the largest events, or about 40,000 of a usual size. */
  requestBytesMax: 8 * 1024 * 1024,
  /** Events of one request: bounds the receipt (about 80 bytes each) to under 1 MiB. */
  requestEventsMax: 10_000,
  /**
   * Levels of arrays and objects in a payload, the payload itself being level 1. PostgreSQL and most clients recurse.
   */
  payloadDepthMax: 64,
  /**
   * Of a failed record's bytes. No event is as large; another producer's record may be hundreds of megabytes, unpacked.
   */
  inboxValueBytesMax: 8 * 1024 * 1024,
  /** Largest absolute value of a number: beyond it a double overflows to Infinity in every JavaScript client. */
  numberMagnitudeMax: 1e308,
  /** Written out without an exponent: such a number is then sixty times as long as it was sent, as 1e308 is. */
  numberDecimalsMax: 400,
  eventTypeCharactersMax: 200,
  idCharactersMax: 256,
  sourceCharactersMax: 256,
  keyCharactersMax: 256,
  /** A time with its offset and more digits of a second than any clock has. */
  occurredAtCharactersMax: 64,
  idempotencyKeyCharactersMax: 256,

  /** How long ingest waits for the log to confirm before it answers 503. */
  ingestDeadlineMs: 5_000,
  /**
   * Bytes of records without a key that go to one partition before the next has its turn. A worker's batches hold what
   * has come in 20 ms at most: at 3,000 events of 200 bytes a second two partitions have some, and not all eight.
   */
  stickyRunBytes: 64 * 1024,
  /** Bytes of records that wait for their append: 64 MiB is about three seconds of a full-speed disk. */
  ingestQueueBytesMax: 64 * 1024 * 1024,
  /** Bodies that are arriving, all together: sixteen of the largest, whatever the number of connections. */
  arrivingBodiesBytesMax: 128 * 1024 * 1024,
  /** One append group: bounds the time one flush takes, and so everybody's latency. */
  appendGroupBytesMax: 4 * 1024 * 1024,
  appendGroupRecordsMax: 10_000,
  /** Problems listed in one answer; the rest is counted. */
  problemsListedMax: 100,

  /**
   * Records of one store transaction. PostgreSQL's COPY makes places for a thousand rows first, in a time that rises
   * with the square of their number: 8 % of what 2,000 rows take, half of that for 4,000. Only where there is a backlog
   * a batch is as large as that.
   */
  batchRecordsMax: 4_000,
  batchBytesMax: 4 * 1024 * 1024,
  /**
   * Batches that are not full are taken at ticks that all partitions share: a lone event is stored at once, a steady
   * stream in fewer and larger transactions. Between two of them a worker rests for as long as its last batch took,
   * times this, within bounds: small batches, for the sake of latency, may take a part of the time; where that is not
   * enough, as near the top rate, rests grow to their maximum and batches with them.
   *
   * A small transaction of the embedded store is done in 2 to 3 ms, most of which it takes whatever it holds.
   * PostgreSQL's takes several times as long, and where it has rested as often, latency is what is lost
   * (docs/performance-tried.md has both); the least rest is for its sake.
   */
  batchRestFactor: { embedded: 4, servers: 0.25 },
  batchRestMinMs: 1,
  batchRestMaxMs: 20,

  /** A record that claims to have been received so long after the log took it is taken to be received then. */
  clockSkewMaxMs: 24 * 3_600_000,

  backoffMinMs: 200,
  backoffMaxMs: 30_000,
  /** While somebody else writes to the store: asking again costs next to nothing, and it may be over at any moment. */
  backoffBusyMaxMs: 3_000,
  /** Retries of one batch that the store keeps refusing while a probe transaction succeeds, before it is bisected. */
  batchRetriesMax: 8,
  shutdownMs: 30_000,
  /**
   * How long an API that stops goes on serving while it says that it is not ready: load balancers look every few
   * seconds.
   */
  drainMs: 5_000,

  /** Records of one append and partition that are read and checked together. A larger record stands alone. */
  logBatchBytesMax: 256 * 1024,
  /**
   * One file of the embedded log: the grain in which disk is given back, and some 10 ms of reading to find one's way
   * in.
   */
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
  /**
   * Segments that are removed at a stretch, while appends wait: a file of 32 MiB takes a disk some milliseconds to
   * free.
   */
  logSegmentsRemovedMax: 8,
  /** The embedded log keeps at most this long, and never longer than rows are kept. */
  logRetentionMs: 7 * 24 * 3_600_000,
  /** Below this much free disk ingest answers 503 disk_full, while there is still room to work in. */
  freeDiskBytesMin: 1024 * 1024 * 1024,
  freeDiskCheckMs: 1_000,

  /** Rows that one maintenance transaction may prune: keeps it near 50 ms, so it never holds up a batch. */
  pruneRowsMax: 5_000,
  /** Likewise of the inbox, whose rows may be large: 256 KiB, and 8 MiB of what other programs sent. */
  pruneFailedMax: 500,
  pruneJobsMax: 1_000,
  /** What became of a job can be asked for so long; its events tell for themselves. */
  jobKeptMs: 7 * 24 * 3_600_000,
  maintenanceEveryMs: 10_000,
  /**
   * A clock that is set ahead by no more than this may remove what it makes old; past it, only after it has stood for a
   * day.
   */
  clockAheadMaxMs: 3_600_000,
  clockAheadHeldMs: 24 * 3_600_000,
  /**
   * The same for a process that starts, against the newest event: machines are off for a weekend, and idle over
   * holidays.
   */
  clockAheadAtStartMaxMs: 7 * 24 * 3_600_000,
  /**
   * A clock that is set back by more than this reaches steps that metrics may have forgotten. They keep five minutes
   * more than windows show (domain/metrics-steps.ts).
   */
  clockBackMaxMs: 60_000,
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
  /**
   * Items of a page that are read at a time, and the bytes at which a page ends early: bounds the memory of an answer.
   */
  pageReadItemsMax: 100,
  pageBytesMax: 8 * 1024 * 1024,
  /** Large answers that wait for their clients, all together, in characters: sixteen of the largest pages. */
  answersHeldCharactersMax: 128 * 1024 * 1024,
  /** Reading is one thread's work: more at a time would only hold more in memory. */
  answersReadMax: 4,
  waitStoredDefaultMs: 5_000,
  waitStoredMaxMs: 30_000,
  /**
   * Between two looks of who waits for events to be stored, all together: they hear of it sooner, if the metrics store
   * is there.
   */
  progressPollMs: 50,
  /** Records whose outcomes are looked up at a time: a client that has gone is noticed between two of these. */
  outcomesReadMax: 500,
  liveSnapshotMinMs: 100,
  /** So much more for each client: 200 of them are told five times a second, 500 three times. */
  liveSnapshotPerClientMs: 0.5,
  liveSnapshotIdleMs: 2_000,
  /** As often as lag: it takes a transaction of the store and three questions to the log. */
  liveLedgerEveryMs: 1_000,
  liveClientsMax: 500,
  /** In a snapshot: with two thousand long names, five hundred stalled clients would hold a gigabyte. */
  liveTypesMax: 200,
  /** More than a person can read in one tick; the rest is counted. */
  liveEventsPerTick: 20,
  /**
   * In this time `liveEventsPerTick` events of each partition go to the metrics store: whole events, of which most are
   * never seen.
   */
  recentEveryMs: 200,
  /**
   * Of large events a tick shows fewer, but one at least: with a hundred clients, who get a tick every 150 ms, this is
   * 170 MiB a second at most.
   */
  liveEventBytesPerTick: 256 * 1024,
  /** A live client that takes nothing for so long gives up its place. */
  liveStalledMs: 30_000,
  /** Inbox rows that go to the failed topic at a time: what is published twice when a worker dies in between. */
  publishRecordsMax: 100,
  /** Of a failed event's reason, in a header: what is longer is in the inbox. */
  failedMessageCharactersMax: 1_000,
  /** Bytes of them: Kafka's own default for one request. A single larger row goes alone. */
  publishBytesMax: 1024 * 1024,
  /**
   * How often the parts are asked whether they answer, and the log whether it is the one it was: three small questions.
   */
  partsWatchEveryMs: 1_000,
  /**
   * How often the last record of each partition is read again to know the log by; its id and ends are looked at each
   * time.
   */
  logRecordsCheckEveryMs: 30_000,
  /**
   * Records that wait so long while nobody works their partition: longer than a worker's place takes to be given away.
   */
  workerSilentMs: 30_000,
  /** Between two tries to open a part that is away: it is found soon after it is back. */
  partRetryMaxMs: 5_000,
  /** How long a start waits for parts that are away before it serves what can be served without them. */
  partsFirstTryMs: 3_000,
  /** How long it waits for the further threads that serve HTTP, each of which loads its own modules. */
  threadsListenMs: 5_000,
  /**
   * Each of them takes some 40 MiB, and has connections of its own. Past this many cores, more processes are no worse.
   */
  httpThreadsMax: 16,
  /** Halted partitions are looked at this often: an operator may have adopted the log. */
  haltedCheckEveryMs: 5_000,
  /** A partition that was halted for a bug is tried again after so long, then after twice as long, and so on. */
  bugRetryMs: 30_000,
  bugRetryMaxMs: 600_000,
  /**
   * What the log says of itself serves for all partitions that are claimed one after another; not for what a wait came
   * before.
   */
  describedForMs: 1_000,
  /** Records compared with what was processed: enough to hide the way to a broker, and a fetch for each is no load. */
  recordsComparedAtOnceMax: 8,
  /**
   * A redrive job that runs is saved at least this often, and one that was not saved for so long has lost its process.
   */
  jobSaveEveryMs: 5_000,
  jobAbandonedMs: 60_000,
  /**
   * Its own process goes on with it no longer than this after it was last saved: what it appends then ends before it is
   * lost.
   */
  jobHeldMs: 30_000,
  /** Jobs that run, looked at in one go: a hundred processes with ten each. */
  runningJobsReadMax: 1_000,
  /**
   * Metrics follow the store by a few milliseconds, and batches of a partition are mostly further apart: a look that
   * meets them at one watermark is a matter of a few tries. So many take ten seconds.
   */
  verifyLooksMax: 400,
  verifyLookEveryMs: 25,
  /**
   * Of one partition, when an operator asks: a busy one has 20 to 150 batches a second. With few types a rebuild
   * fits between two of them; with thousands it does not, and the command says so.
   */
  rebuildTriesMax: 50,
  /**
   * Partitions whose metrics are made anew side by side when an operator asks: half of the connections that the store
   * reads by.
   */
  rebuildAtOnceMax: 2,
  lagReadEveryMs: 1_000,
  metricsCheckEveryMs: 5_000,
  /** While the metrics store is away, a busy partition tries it this often, and its idle check besides. */
  metricsRetryMs: 1_000,

  /** How long one command to Redis may take, connecting included: past it the connection is given up and made anew. */
  redisCommandMs: 2_000,
  /** An idle connection is asked this often whether the other side is still there. */
  redisPingMs: 1_000,
  /** Between two tries to connect, at most: heals within seconds, and a hundred processes that wait are not a storm. */
  redisReconnectMaxMs: 2_000,
  /** Commands under way on one connection: 256 partitions that are read by ten requests at once, and as much again. */
  redisCommandsMax: 5_000,
  /** Redirections of one command in a cluster: a slot that moves twice while it is asked for is rare enough. */
  redisRedirectsMax: 4,
  /** Between two looks at who serves which slot of a cluster. */
  redisTopologyMs: 500,
  /** What a rebuild has under way at a time: a millisecond of Redis. */
  metricsRebuildBytesMax: 256 * 1024,
  /** A rebuild that has not ended after this time has died: what it wrote expires. */
  metricsRebuildMs: 10 * 60_000,
  /**
   * Updates of one partition that readers can catch up by, instead of reading all of it: at 150 batches a second, the
   * most there are, a reader may look away for 7 s, at 25 for 40 s. The bytes are what bounds it where batches have
   * hundreds of types.
   */
  metricsJournalEntriesMax: 1_024,
  metricsJournalBytesMax: 1024 * 1024,
  /** The newest events of one partition, all together. */
  metricsRecentBytesMax: 1024 * 1024,
  /** Of one update's newest events, what is published; one at least. */
  metricsPublishedBytesMax: 64 * 1024,
  /**
   * Of one update that follows close upon another: a tick of the live stream shows 20 events, and several
   * batches of a partition may fall into it.
   */
  metricsPublishedEventsMin: 5,
  /** Events that one bulk redrive takes. */
  redriveBatchMax: 10_000,

  /**
   * Requests to take events in that may be under way before the process can be overloaded: what it answers in so many
   * milliseconds, and no fewer than this. By Little's law a request then waits no longer than that, or four times as
   * long as behind 64 clients, with whom it reaches its top rate on any machine. While it is overloaded, a quarter as
   * many, and no fewer than half of this.
   */
  requestDelayMs: 20,
  requestsUnderWayMin: 256,
  /** A client that sends its request slower than this is cut off. */
  requestTimeoutMs: 30_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 72_000,
  /**
   * How long a stop lets requests under way finish: ingest's deadline and a second, so that whatever was appended has
   * been answered. Who is stuck half way through a request by then is cut off.
   */
  requestsFinishMs: 6_000,
  /** How often connections are looked at for these timeouts: a walk over them all, so not all the time. */
  connectionsCheckMs: 1_000,
  /** Idle connections cost about 10 KiB each; past this the listener refuses. */
  connectionsMax: 10_000,

  /** A Kafka broker that is there takes a connection, TLS and SASL included, in a fraction of this. */
  kafkaConnectTimeoutMs: 3_000,
  /** One question to Kafka, all attempts of it: longer than the choice of another leader usually takes. */
  kafkaCallTimeoutMs: 5_000,
  /** An append gives up a little before ingest does, so that the client hears why. */
  kafkaAppendTimeoutMs: 4_500,
  kafkaRetryMinMs: 50,
  kafkaRetryMaxMs: 1_000,
  /** Requests that wait for their answer on one connection; a broker answers them one after another. */
  kafkaCallsInFlightMax: 1_000,
  /**
   * Records of one partition in one produce request: under the 1,048,588 bytes that a topic takes as Kafka makes it.
   */
  kafkaBatchBytesMax: 1_000_000,
  /** How long a fetch waits at the broker when there is nothing. New records end the wait at once. */
  kafkaFetchWaitMs: 500,
  /**
   * The same while a partition that is being read has been left out for want of room: it may have room at any moment.
   */
  kafkaFetchShortWaitMs: 10,
  /**
   * An answer of fewer bytes is followed by a rest, since each append would be fetched by itself: the broker answers as
   * soon as there is one. After a few records the rest is longer. Where events are many the shorter one is latency; at
   * 500 a second it would take four tenths of a core instead of three.
   */
  kafkaFetchSmallBytes: 64 * 1024,
  kafkaFetchRestMs: 2,
  kafkaFetchTinyBytes: 2 * 1024,
  kafkaFetchTinyRestMs: 5,
  /** One answer of a broker, and what of it may be one partition's. */
  kafkaFetchBytesMax: 2 * 1024 * 1024,
  kafkaFetchPartitionBytesMax: 512 * 1024,
  /**
   * What one batch of another producer's may be once it is unpacked. A topic takes 1 MB of it packed, as Kafka makes
   * it.
   */
  kafkaUnpackedBytesMax: 128 * 1024 * 1024,
  /** What a stream has read ahead, shared evenly by its partitions; each may be over by one answer. */
  kafkaStreamBytesMax: 8 * 1024 * 1024,
  kafkaPartitionBytesMin: 256 * 1024,
  kafkaPartitionBytesMax: 4 * 1024 * 1024,
  /** A member that is not heard of for so long loses its partitions: the time a takeover after a kill takes. */
  kafkaSessionTimeoutMs: 10_000,
  kafkaHeartbeatMs: 3_000,
  /** How long the group waits for its members at a rebalance. */
  kafkaRebalanceTimeoutMs: 10_000,
  /** How long a member lets the transaction that runs end before it joins anew. */
  kafkaReleaseMs: 5_000,
  /** How long a member that stops may take to say so to the group. */
  kafkaGoodbyeMs: 2_000,
  /** The group's offsets are a mirror: once a second is often enough for who looks at lag. */
  kafkaCommitEveryMs: 1_000,
  /** How long it takes a process to learn that a topic has more partitions. */
  kafkaTopicRefreshMs: 10_000,
} as const;
