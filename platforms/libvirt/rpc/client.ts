/**
 * Calls to a libvirt daemon over one connection, whatever carries it.
 *
 * LIBVIRT-3: every call ends: with its reply, with its signal, or with the connection.
 * LIBVIRT-4: at most {@link MOST_AT_ONCE} calls are with the daemon, which reads no further while it has five of a client: others wait here, and
 *     what is waiting is bounded.
 * LIBVIRT-5: a connection on which nothing arrives for {@link SILENCE} although the daemon was asked for a sign of life is given up,
 *     whatever the clock says; one on which something arrives, or has arrived while this process was suspended (LIMIT-1), is not.
 */
import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { TimeLimit } from '../../../limits';
import { FrameReader, MESSAGE_TYPES, PROGRAMS, STATUS, writeFrame, type Frame } from './frames';
import { XdrReader } from './xdr';

/** Calls that the daemon has at the same time. */
export const MOST_AT_ONCE = 4;
/** Calls that wait for their turn. */
const MOST_WAITING = 20_000;
/** Milliseconds between signs of life. */
const PING_EVERY = 10_000;
/** Milliseconds. */
const SILENCE = 30_000;

const PING = 1;
const PONG = 2;

/** The daemon refused a call. */
export class LibvirtError extends Error {
  override readonly name = 'LibvirtError';
  constructor(
    /** `VIR_ERR_*`. */
    readonly code: number,
    /** `VIR_FROM_*`: the part of libvirt that refused. */
    readonly domain: number,
    message: string,
  ) {
    super(message);
  }
}

/** The connection is gone, or never came about. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
}

interface Call {
  procedure: number;
  body: Buffer;
  resolve(reply: XdrReader): void;
  reject(error: Error): void;
}

/** One connection. Owns its stream. */
export class RpcClient {
  readonly #stream: Duplex;
  readonly #onEvent: (procedure: number, body: XdrReader) => void;
  readonly #reader = new FrameReader();
  readonly #waiting: Call[] = [];
  readonly #sent = new Map<number, Call>();
  readonly #closed = new AbortController();
  readonly #pings: NodeJS.Timeout;
  readonly #silence = new TimeLimit(SILENCE, undefined);
  #serial = 0;

  constructor(stream: Duplex, onEvent: (procedure: number, body: XdrReader) => void = () => undefined) {
    // Every call and every reading listens.
    setMaxListeners(0, this.#closed.signal);
    this.#stream = stream;
    this.#onEvent = onEvent;
    stream.on('data', (chunk: Buffer) => this.#received(chunk));
    stream.on('error', (error) => this.close(new ConnectionError(error.message, { cause: error })));
    for (const event of ['end', 'close'])
      stream.on(event, () => this.close(new ConnectionError('the daemon closed the connection')));
    this.#pings = setInterval(() => this.#sign(PING), PING_EVERY);
    this.#pings.unref();
    const silent = new ConnectionError(`nothing came from the daemon for ${SILENCE / 1_000} s`);
    this.#silence.signal.addEventListener('abort', () => this.close(silent), { once: true });
  }

  /** Aborts once the connection is gone; its reason says why. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /**
   * Makes a call.
   *
   * @throws LibvirtError where the daemon refuses; ConnectionError; the reason of `signal`, after which the daemon may still carry it out.
   */
  call(procedure: number, body: Buffer, signal?: AbortSignal): Promise<XdrReader> {
    return new Promise((resolve, reject) => {
      const ended = [signal, this.closed].find((each) => each?.aborted);
      if (ended) return reject(ended.reason as Error);
      if (this.#waiting.length >= MOST_WAITING)
        return reject(new ConnectionError(`${MOST_WAITING} calls wait for the daemon already`));
      const abort = (): void => {
        const index = this.#waiting.indexOf(call);
        if (index >= 0) this.#waiting.splice(index, 1);
        reject(signal?.reason as Error);
      };
      const done = (): void => signal?.removeEventListener('abort', abort);
      const call: Call = {
        procedure,
        body,
        resolve: (reply) => (done(), resolve(reply)),
        reject: (error) => (done(), reject(error)),
      };
      if (signal) {
        // Many calls share the signal of one question, and each takes its listener off again.
        setMaxListeners(0, signal);
        signal.addEventListener('abort', abort, { once: true });
      }
      this.#waiting.push(call);
      this.#send();
    });
  }

  /** Ends the connection and rejects every call. */
  close(reason: Error = new ConnectionError('the connection was closed')): void {
    if (this.closed.aborted) return;
    this.#closed.abort(reason);
    clearInterval(this.#pings);
    this.#silence.end();
    const calls = [...this.#sent.values(), ...this.#waiting];
    this.#sent.clear();
    this.#waiting.length = 0;
    this.#stream.destroy();
    for (const call of calls) call.reject(reason);
  }

  #send(): void {
    while (this.#sent.size < MOST_AT_ONCE) {
      const call = this.#waiting.shift();
      if (!call) return;
      this.#serial = (this.#serial + 1) >>> 0;
      this.#sent.set(this.#serial, call);
      const { procedure, body } = call;
      this.#write({
        program: PROGRAMS.remote,
        procedure,
        type: MESSAGE_TYPES.call,
        serial: this.#serial,
        body,
      });
    }
  }

  #write(frame: Omit<Frame, 'status'>): void {
    this.#stream.write(writeFrame({ ...frame, status: STATUS.ok }));
  }

  #received(chunk: Buffer): void {
    if (this.closed.aborted) return;
    this.#silence.restart(SILENCE);
    try {
      for (const frame of this.#reader.push(chunk)) {
        if (this.closed.aborted) return;
        this.#handle(frame);
      }
    } catch (error: unknown) {
      const message = error instanceof Error ? error.message : String(error);
      this.close(new ConnectionError(`the daemon sent what cannot be read: ${message}`, { cause: error }));
    }
  }

  #handle(frame: Frame): void {
    if (frame.program === PROGRAMS.keepalive) {
      if (frame.procedure === PING) this.#sign(PONG);
      return;
    }
    if (frame.program !== PROGRAMS.remote) return;
    const body = new XdrReader(frame.body);
    if (frame.type === MESSAGE_TYPES.event) return this.#onEvent(frame.procedure, body);
    const call = frame.type === MESSAGE_TYPES.reply ? this.#sent.get(frame.serial) : undefined;
    if (!call) return;
    this.#sent.delete(frame.serial);
    if (frame.status === STATUS.ok) call.resolve(body);
    else call.reject(errorIn(body));
    this.#send();
  }

  #sign(procedure: number): void {
    const body = Buffer.alloc(0);
    this.#write({ program: PROGRAMS.keepalive, procedure, type: MESSAGE_TYPES.event, serial: 0, body });
  }
}

/** Reads `remote_error`. */
function errorIn(body: XdrReader): LibvirtError {
  const [code, domain] = [body.i32(), body.i32()];
  const message = body.optional(() => body.string());
  return new LibvirtError(code, domain, message ?? `libvirt refused with code ${code}`);
}
