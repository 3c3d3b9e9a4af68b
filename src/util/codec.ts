/**
 * Wire values: a codec is an object of three pure functions. `size` says how many bytes `write` will use, `write`
 * returns the offset behind what it wrote, `read` takes from a reader that never runs past its end: what is missing
 * or too long marks the reader as failed and yields an empty value, so a whole structure is checked once, at its end.
 * Big endian throughout. Left out on purpose: self-description; what the bytes mean is agreed on elsewhere.
 */

import { assert } from '#util/assert.ts';

export interface Codec<Value> {
  /** Bytes that `write` will use for this value. */
  size(value: Value): number;
  /** Writes at `offset` and returns the offset behind it. There is room for `size(value)` bytes. */
  write(value: Value, bytes: Buffer, offset: number): number;
  /** Never throws and never reads past the end; see {@link ByteReader.failed}. */
  read(reader: ByteReader): Value;
}

export type ValueOf<Type> = Type extends Codec<infer Value> ? Value : never;

const noBytes = Buffer.alloc(0);

/** A place in a buffer, and whether everything asked of it was there. */
export class ByteReader {
  bytes: Buffer = noBytes;
  offset = 0;
  end = 0;
  /** True once something was missing or malformed; every later read yields an empty value. */
  failed = false;

  reset(bytes: Buffer, start = 0, end = bytes.length): this {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
    this.failed = false;
    return this;
  }

  get left(): number {
    return this.failed ? 0 : this.end - this.offset;
  }

  fail(): void {
    this.failed = true;
    this.offset = this.end;
  }

  /** Moves on by `count` bytes; returns where they begin, or -1 when they are not there. */
  take(count: number): number {
    const start = this.offset;
    if (this.failed || count > this.end - start) {
      this.fail();
      return -1;
    }
    this.offset = start + count;
    return start;
  }
}

/** The value that fills `bytes` exactly, or null. */
export function decode<Value>(codec: Codec<Value>, bytes: Buffer): Value | null {
  const reader = new ByteReader().reset(bytes);
  const value = codec.read(reader);
  return reader.failed || reader.left !== 0 ? null : value;
}

export function encode<Value>(codec: Codec<Value>, value: Value): Buffer {
  const bytes = Buffer.allocUnsafe(codec.size(value));
  const end = codec.write(value, bytes, 0);
  assert(end === bytes.length, 'a codec wrote another number of bytes than it announced');
  return bytes;
}

export const u8: Codec<number> = {
  size: () => 1,
  write: (value, bytes, offset) => {
    bytes[offset] = value;
    return offset + 1;
  },
  read: (reader) => {
    const at = reader.take(1);
    return at === -1 ? 0 : reader.bytes[at]!;
  },
};

export const u16: Codec<number> = {
  size: () => 2,
  write: (value, bytes, offset) => {
    bytes[offset] = value >>> 8;
    bytes[offset + 1] = value;
    return offset + 2;
  },
  read: (reader) => {
    const at = reader.take(2);
    return at === -1 ? 0 : (reader.bytes[at]! << 8) | reader.bytes[at + 1]!;
  },
};

export const u32: Codec<number> = {
  size: () => 4,
  write: writeU32,
  read: (reader) => {
    const at = reader.take(4);
    return at === -1 ? 0 : readU32(reader.bytes, at);
  },
};

/** A whole number from 0 to 2^53 - 1; more than that on the wire is malformed. */
export const u64: Codec<number> = {
  size: () => 8,
  write: (value, bytes, offset) => {
    writeU32(Math.floor(value / wordValues), bytes, offset);
    return writeU32(value % wordValues, bytes, offset + 4);
  },
  read: (reader) => {
    const at = reader.take(8);
    if (at === -1) return 0;
    const value = readU32(reader.bytes, at) * wordValues + readU32(reader.bytes, at + 4);
    if (Number.isSafeInteger(value)) return value;
    reader.fail();
    return 0;
  },
};

export const f64: Codec<number> = {
  size: () => 8,
  write: (value, bytes, offset) => bytes.writeDoubleBE(value, offset),
  read: (reader) => {
    const at = reader.take(8);
    return at === -1 ? 0 : reader.bytes.readDoubleBE(at);
  },
};

/** One byte, 0 or 1; anything else is malformed. */
export const boolean: Codec<boolean> = {
  size: () => 1,
  write: (value, bytes, offset) => u8.write(value ? 1 : 0, bytes, offset),
  read: (reader) => {
    const value = u8.read(reader);
    if (value > 1) reader.fail();
    return value === 1;
  },
};

/** `u16` length and UTF-8; up to 65,535 bytes. */
export const text: Codec<string> = {
  size: (value) => 2 + Buffer.byteLength(value, 'utf8'),
  write: (value, bytes, offset) => {
    const length = bytes.write(value, offset + 2, 'utf8');
    assert(length <= 0xffff, 'a text of more than 65,535 bytes for a short text field');
    u16.write(length, bytes, offset);
    return offset + 2 + length;
  },
  read: (reader) => {
    const length = u16.read(reader);
    const at = reader.take(length);
    return at === -1 ? '' : reader.bytes.toString('utf8', at, at + length);
  },
};

/** `u32` length and UTF-8. */
export const longText: Codec<string> = {
  size: (value) => 4 + Buffer.byteLength(value, 'utf8'),
  write: (value, bytes, offset) => {
    const length = bytes.write(value, offset + 4, 'utf8');
    writeU32(length, bytes, offset);
    return offset + 4 + length;
  },
  read: (reader) => {
    const length = u32.read(reader);
    const at = reader.take(length);
    return at === -1 ? '' : reader.bytes.toString('utf8', at, at + length);
  },
};

/** `u32` length and one byte per character: text that came off the wire as bytes, such as SIP. */
export const latin1: Codec<string> = {
  size: (value) => 4 + value.length,
  write: (value, bytes, offset) => {
    writeU32(value.length, bytes, offset);
    return offset + 4 + bytes.write(value, offset + 4, 'latin1');
  },
  read: (reader) => {
    const length = u32.read(reader);
    const at = reader.take(length);
    return at === -1 ? '' : reader.bytes.toString('latin1', at, at + length);
  },
};

/** `u32` length and bytes. What is read is a view: copy what outlives the callback that handed the buffer over. */
export const bytes: Codec<Uint8Array> = {
  size: (value) => 4 + value.length,
  write: (value, target, offset) => {
    writeU32(value.length, target, offset);
    target.set(value, offset + 4);
    return offset + 4 + value.length;
  },
  read: (reader) => {
    const length = u32.read(reader);
    const at = reader.take(length);
    return at === -1 ? noBytes : reader.bytes.subarray(at, at + length);
  },
};

/** Exactly `length` bytes, without a length on the wire. What is read is a view. */
export function fixedBytes(length: number): Codec<Uint8Array> {
  return {
    size: () => length,
    write: (value, target, offset) => {
      assert(value.length === length, `expected ${length} bytes`);
      target.set(value, offset);
      return offset + length;
    },
    read: (reader) => {
      const at = reader.take(length);
      return at === -1 ? noBytes : reader.bytes.subarray(at, at + length);
    },
  };
}

/** `u32` count and the items, at most `itemsMax`. An item is at least one byte, so a count cannot lie by much. */
export function list<Item>(item: Codec<Item>, itemsMax: number): Codec<readonly Item[]> {
  return {
    size: (values) => {
      let size = 4;
      for (const value of values) size += item.size(value);
      return size;
    },
    write: (values, target, offset) => {
      assert(values.length <= itemsMax, `a list of more than ${itemsMax} items`);
      let at = writeU32(values.length, target, offset);
      for (const value of values) at = item.write(value, target, at);
      return at;
    },
    read: (reader) => {
      const count = u32.read(reader);
      const values: Item[] = [];
      if (count > itemsMax || count > reader.left) {
        reader.fail();
        return values;
      }
      for (let index = 0; index < count && !reader.failed; index++) values.push(item.read(reader));
      return values;
    },
  };
}

/** One byte, 0 for null, 1 for a value that follows. */
export function optional<Value>(codec: Codec<Value>): Codec<Value | null> {
  return {
    size: (value) => (value === null ? 1 : 1 + codec.size(value)),
    write: (value, target, offset) => {
      const at = boolean.write(value !== null, target, offset);
      return value === null ? at : codec.write(value, target, at);
    },
    read: (reader) => (boolean.read(reader) ? codec.read(reader) : null),
  };
}

type Fields<Shape> = { readonly [Name in keyof Shape]: Codec<Shape[Name]> };

/** The fields in the order in which they are written here, nothing between them. */
export function struct<Shape extends object>(fields: Fields<Shape>): Codec<Shape> {
  const names = Object.keys(fields) as (keyof Shape)[];
  const codecs = names.map((name) => fields[name] as Codec<unknown>);
  return {
    size: (value) => {
      let size = 0;
      for (let index = 0; index < names.length; index++) size += codecs[index]!.size(value[names[index]!]);
      return size;
    },
    write: (value, target, offset) => {
      let at = offset;
      for (let index = 0; index < names.length; index++) {
        at = codecs[index]!.write(value[names[index]!], target, at);
      }
      return at;
    },
    read: (reader) => {
      const value: Record<PropertyKey, unknown> = {};
      for (let index = 0; index < names.length; index++) value[names[index]!] = codecs[index]!.read(reader);
      return value as Shape;
    },
  };
}

/** Nothing at all: the body of a frame that says everything by its type. */
export const nothing: Codec<null> = {
  size: () => 0,
  write: (_value, _target, offset) => offset,
  read: () => null,
};

const wordValues = 0x1_0000_0000;

export function writeU32(value: number, target: Buffer, offset: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}

/** The caller has checked that the four bytes are there. */
export function readU32(source: Buffer, offset: number): number {
  return (
    ((source[offset]! << 24) |
      (source[offset + 1]! << 16) |
      (source[offset + 2]! << 8) |
      source[offset + 3]!) >>>
    0
  );
}
