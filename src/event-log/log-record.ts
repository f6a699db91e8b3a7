/**
 * A record as it was read. Its value is `bytes` from `start` to `end`, and what it was fetched with stands around it: a
 * worker reads a hundred thousand a second, and a view for each would be more to keep than all else of it here.
 */
export class LogRecord {
  readonly partition: number;
  readonly offset: number;
  /** When the log took the record, milliseconds since the epoch. */
  readonly timestamp: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;

  constructor(
    partition: number,
    offset: number,
    timestamp: number,
    bytes: Uint8Array,
    start = 0,
    end: number = bytes.length,
  ) {
    this.partition = partition;
    this.offset = offset;
    this.timestamp = timestamp;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  /** A view, made anew each time. */
  get value(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }
}
