/**
 * The types of Kafka's protocol ("Protocol Primitive Types" in its documentation), in their flexible form, and
 * structures of them: how each is written, and how it is read. A message is one value of such a structure, so that its
 * definition reads as Kafka's own does.
 */
export interface Codec<Value> {
  write(writer: ByteWriter, value: Value): void;
  /** @throws RangeError where the bytes end before the value does */
  read(reader: ByteReader): Value;
}

export type ValueOf<Of> = Of extends Codec<infer Value> ? Value : never;

/** From so many bytes on, bytes are not copied into a message but stand in it. */
const bytesByReference = 4_096;
const chunkBytesMin = 512;

export class ByteWriter {
  #pieces: Buffer[] = [];
  #chunk: Buffer = Buffer.allocUnsafe(chunkBytesMin);
  /** Of the chunk, what has been handed on, and how far it is written. */
  #from = 0;
  #at = 0;
  #bytes = 0;

  /** So many bytes to write to, at once. */
  #room(bytes: number): number {
    if (this.#at + bytes > this.#chunk.length) {
      this.#cut();
      this.#chunk = Buffer.allocUnsafe(Math.max(chunkBytesMin, bytes));
      this.#from = 0;
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += bytes;
    this.#bytes += bytes;
    return at;
  }

  #cut(): void {
    if (this.#at > this.#from) this.#pieces.push(this.#chunk.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  int8(value: number): void {
    const at = this.#room(1);
    this.#chunk.writeInt8(value, at);
  }
  int16(value: number): void {
    const at = this.#room(2);
    this.#chunk.writeInt16BE(value, at);
  }
  int32(value: number): void {
    const at = this.#room(4);
    this.#chunk.writeInt32BE(value, at);
  }
  int64(value: bigint): void {
    const at = this.#room(8);
    this.#chunk.writeBigInt64BE(value, at);
  }
  /** UNSIGNED_VARINT: seven bits a byte, the lowest first. */
  varint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.int8((rest & 0x7f) - 0x80);
    this.int8(rest);
  }
  bytes(value: Buffer): void {
    if (value.length < bytesByReference) {
      const at = this.#room(value.length);
      value.copy(this.#chunk, at);
      return;
    }
    this.#cut();
    this.#pieces.push(value);
    this.#bytes += value.length;
  }

  finish(): { readonly pieces: readonly Buffer[]; readonly bytes: number } {
    this.#cut();
    return { pieces: this.#pieces, bytes: this.#bytes };
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(bytes: number): number {
    if (bytes > this.left) throw new RangeError(`${bytes} bytes are read where ${this.left} are left`);
    const at = this.#at;
    this.#at += bytes;
    return at;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1));
  }
  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }
  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }
  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#take(1)]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number of more than five bytes');
  }
  /** A view of the message. */
  bytes(count: number): Buffer {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }
}

/** Where Kafka says that a null can't be, though the form has room for one. */
function never(what: string): never {
  throw new RangeError(`${what} that is null`);
}

export const boolean: Codec<boolean> = {
  write: (writer, value) => writer.int8(value ? 1 : 0),
  read: (reader) => reader.int8() !== 0,
};
export const int8: Codec<number> = {
  write: (writer, value) => writer.int8(value),
  read: (reader) => reader.int8(),
};
export const int16: Codec<number> = {
  write: (writer, value) => writer.int16(value),
  read: (reader) => reader.int16(),
};
export const int32: Codec<number> = {
  write: (writer, value) => writer.int32(value),
  read: (reader) => reader.int32(),
};
export const int64: Codec<bigint> = {
  write: (writer, value) => writer.int64(value),
  read: (reader) => reader.int64(),
};

/** In the place of one that is not known. */
export const noUuid = '00000000-0000-0000-0000-000000000000';

/** As text, 8-4-4-4-12. */
export const uuid: Codec<string> = {
  write: (writer, value) => writer.bytes(Buffer.from(value.replaceAll('-', ''), 'hex')),
  read: (reader) => {
    const hex = reader.bytes(16).toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  },
};

/** The length plus one, and 0 for null. */
export const nullableBytes: Codec<Buffer | null> = {
  write: (writer, value) => {
    writer.varint(value === null ? 0 : value.length + 1);
    if (value !== null) writer.bytes(value);
  },
  read: (reader) => {
    const length = reader.varint() - 1;
    return length < 0 ? null : reader.bytes(length);
  },
};
export const bytes: Codec<Buffer> = {
  write: nullableBytes.write,
  read: (reader) => nullableBytes.read(reader) ?? never('bytes'),
};
export const nullableString: Codec<string | null> = {
  write: (writer, value) => nullableBytes.write(writer, value === null ? null : Buffer.from(value)),
  read: (reader) => nullableBytes.read(reader)?.toString() ?? null,
};
export const string: Codec<string> = {
  write: nullableString.write,
  read: (reader) => nullableString.read(reader) ?? never('a string'),
};

export function nullableArray<Item>(item: Codec<Item>): Codec<readonly Item[] | null> {
  return {
    write(writer, value) {
      writer.varint(value === null ? 0 : value.length + 1);
      for (const one of value ?? []) item.write(writer, one);
    },
    read(reader) {
      const length = reader.varint() - 1;
      return length < 0 ? null : readItems(reader, item, length);
    },
  };
}

/** A null is read as an empty one: some brokers send it so where there is nothing. */
export function array<Item>(item: Codec<Item>): Codec<readonly Item[]> {
  const nullable = nullableArray(item);
  return { write: nullable.write, read: (reader) => nullable.read(reader) ?? [] };
}

function readItems<Item>(reader: ByteReader, item: Codec<Item>, length: number): Item[] {
  // Each takes a byte at least: a length that lies must not take memory.
  if (length > reader.left) throw new RangeError(`an array of ${length} where ${reader.left} bytes are left`);
  return Array.from({ length }, () => item.read(reader));
}

type Fields<Of> = { readonly [Name in keyof Of]: Codec<Of[Name]> };

/** Fields in the order in which they are given, then tagged ones: none are written, and any are passed over. */
export function struct<Of>(fields: Fields<Of>): Codec<Readonly<Of>> {
  const inner = classicStruct(fields);
  return {
    write(writer, value) {
      inner.write(writer, value);
      writer.varint(0);
    },
    read(reader) {
      const value = inner.read(reader);
      skipTaggedFields(reader);
      return value;
    },
  };
}

/** As it was before there were tagged fields. */
export function classicStruct<Of>(fields: Fields<Of>): Codec<Readonly<Of>> {
  const entries = Object.entries(fields) as [keyof Of, Codec<Of[keyof Of]>][];
  return {
    write(writer, value) {
      for (const [name, field] of entries) field.write(writer, value[name]);
    },
    read(reader) {
      const value: Partial<Of> = {};
      for (const [name, field] of entries) value[name] = field.read(reader);
      return value as Of;
    },
  };
}

export function skipTaggedFields(reader: ByteReader): void {
  for (let left = reader.varint(); left > 0; left -= 1) {
    reader.varint();
    reader.bytes(reader.varint());
  }
}

/** As they were before the flexible form: the length in 16 or 32 bits, −1 for null. */
export const classicString: Codec<string> = {
  write(writer, value) {
    const encoded = Buffer.from(value);
    writer.int16(encoded.length);
    writer.bytes(encoded);
  },
  read: (reader) => reader.bytes(reader.int16()).toString(),
};
export const classicNullableBytes: Codec<Buffer | null> = {
  write(writer, value) {
    writer.int32(value?.length ?? -1);
    if (value !== null) writer.bytes(value);
  },
  read(reader) {
    const length = reader.int32();
    return length < 0 ? null : reader.bytes(length);
  },
};
export function classicArray<Item>(item: Codec<Item>): Codec<readonly Item[]> {
  return {
    write(writer, value) {
      writer.int32(value.length);
      for (const one of value) item.write(writer, one);
    },
    read: (reader) => readItems(reader, item, Math.max(0, reader.int32())),
  };
}

export function encode<Value>(codec: Codec<Value>, value: Value): Buffer {
  const writer = new ByteWriter();
  codec.write(writer, value);
  const { pieces, bytes: length } = writer.finish();
  return Buffer.concat(pieces, length);
}
