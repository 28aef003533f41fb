/**
 * Messages of libvirt's RPC: a length, six numbers, and a body in XDR. Pure.
 *
 * LIBVIRT-2: a stream of bytes never makes us keep more than one message of {@link MAX_MESSAGE} bytes.
 */
import { XdrError } from './xdr';

/** Bytes of one message, with its length; libvirt's own limit. */
export const MAX_MESSAGE = 32 * 1_024 * 1_024;
const HEADER = 28;

/** What a message is. */
export const MESSAGE_TYPES = { call: 0, reply: 1, event: 2 } as const;
/** How a call went. */
export const STATUS = { ok: 0, error: 1 } as const;

/** A message. */
export interface Frame {
  program: number;
  procedure: number;
  /** {@link MESSAGE_TYPES}. */
  type: number;
  serial: number;
  /** {@link STATUS}. */
  status: number;
  body: Buffer;
}

/** Program numbers. */
export const PROGRAMS = { remote: 0x20008086, keepalive: 0x6b656570 } as const;

/** The bytes of a message. @throws XdrError where it is too long. */
export function writeFrame({ program, procedure, type, serial, status, body }: Frame): Buffer {
  const length = HEADER + body.length;
  if (length > MAX_MESSAGE) throw new XdrError(`a message of ${length} bytes is too long`);
  const header = Buffer.alloc(HEADER);
  [length, program, 1, procedure, type, serial, status].forEach((value, index) =>
    header.writeUInt32BE(value, index * 4),
  );
  return Buffer.concat([header, body]);
}

/** Cuts a stream of bytes into messages. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** The messages that are complete with `chunk`. @throws XdrError where the bytes are none. */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    for (;;) {
      const wanted = this.#wanted();
      if (wanted === undefined || this.#length < wanted) return;
      const bytes = this.#joined();
      this.#chunks = [bytes.subarray(wanted)];
      this.#length -= wanted;
      yield read(bytes.subarray(0, wanted));
    }
  }

  /** Bytes of the next message, once they are known. */
  #wanted(): number | undefined {
    if (this.#length < 4) return undefined;
    const first = this.#chunks[0] as Buffer;
    const wanted = (first.length >= 4 ? first : this.#joined()).readUInt32BE();
    if (wanted < HEADER || wanted > MAX_MESSAGE)
      throw new XdrError(`a message of ${wanted} bytes: the other side does not speak libvirt's RPC`);
    return wanted;
  }

  #joined(): Buffer {
    const joined = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}

function read(bytes: Buffer): Frame {
  const number = (index: number): number => bytes.readUInt32BE(index * 4);
  if (number(2) !== 1) throw new XdrError(`version ${number(2)} of libvirt's RPC is not known`);
  return {
    program: number(1),
    procedure: number(3),
    type: number(4),
    serial: number(5),
    status: number(6),
    body: bytes.subarray(HEADER),
  };
}
