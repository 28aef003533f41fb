/**
 * The part of XDR (RFC 4506) that libvirt's calls need: big-endian, every item padded to 4 bytes. Pure.
 *
 * LIBVIRT-1: whatever bytes are read, the reader returns a value within them or throws {@link XdrError}.
 */

/** Thrown where bytes are not what they should be. */
export class XdrError extends Error {
  override readonly name = 'XdrError';
}

/** Most bytes of one string; libvirt's own limit. */
const MAX_STRING = 4 * 1_024 * 1_024;

const padding = (bytes: number): number => (4 - (bytes % 4)) % 4;

/** Writes items one after the other. */
export class XdrWriter {
  readonly #parts: Buffer[] = [];

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    this.#parts.push(bytes);
    return this;
  }

  /** Bytes of a length that both sides know. */
  fixed(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes), Buffer.alloc(padding(bytes.length)));
    return this;
  }

  /** @throws XdrError where the text is longer than libvirt allows. */
  string(text: string): this {
    const bytes = Buffer.from(text, 'utf8');
    if (bytes.length > MAX_STRING) throw new XdrError(`a text of ${bytes.length} bytes is too long`);
    return this.u32(bytes.length).fixed(bytes);
  }

  optionalString(text: string | undefined): this {
    return text === undefined ? this.u32(0) : this.u32(1).string(text);
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/** Reads items one after the other. */
export class XdrReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u32(): number {
    return this.#take(4).readUInt32BE();
  }

  i32(): number {
    return this.#take(4).readInt32BE();
  }

  /** @throws XdrError where the number cannot be exact in JavaScript. */
  u64(): number {
    const value = this.#take(8).readBigUInt64BE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new XdrError(`the number ${value} is too large`);
    return Number(value);
  }

  fixed(length: number): Buffer {
    const bytes = this.#take(length);
    this.#take(padding(length));
    return bytes;
  }

  string(): string {
    const length = this.u32();
    if (length > MAX_STRING) throw new XdrError(`a text of ${length} bytes is too long`);
    return this.fixed(length).toString('utf8');
  }

  /** An item that may be missing. */
  optional<T>(read: () => T): T | undefined {
    const present = this.u32();
    if (present > 1) throw new XdrError(`an optional value begins with ${present}, which is neither 0 nor 1`);
    return present === 1 ? read() : undefined;
  }

  /** A list of at most `most` items. */
  list<T>(most: number, read: () => T): T[] {
    const count = this.u32();
    if (count > most) throw new XdrError(`a list of ${count} items is too long`);
    return Array.from({ length: count }, read);
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length)
      throw new XdrError(`${length} bytes are missing at ${this.#at} of ${this.#bytes.length}`);
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }
}
