/**
 * Where a process writes its log.
 *
 * LOGOUTPUT-1: a log that cannot be written (a full disk, a terminal or a reader that is gone) neither ends the process nor keeps it from ending. Its
 *     lines are written once that is possible again.
 * LOGOUTPUT-2: lines that wait take up at most {@link MOST_WAITING} bytes. Further ones are lost, and the log says how many.
 */
import { closeSync, fstatSync, write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

const MOST_WAITING = 4 * 2 ** 20;
/** Milliseconds before a write that failed is retried. */
const RETRY_PAUSE = 200;
/** Writes at the end of the process to a pipe whose reader is slow, and milliseconds between two of them. */
const LAST_WRITES = 20;
const LAST_PAUSE = 25;

/** A log file that is replaced once it is large. */
export interface LogFile {
  /** Opens the file, or a new one in place of a large one. */
  open: () => number;
  /** Bytes after which it is opened again. */
  limit: number;
}

/** Writes a log to a file descriptor, or to a file that is replaced once it is large. */
export function logTo(to: number | LogFile): DestinationStream {
  return new LogOutput(to);
}

class LogOutput implements DestinationStream {
  readonly #file: LogFile | undefined;
  #descriptor: number;
  /** Bytes of the file. */
  #size: number;
  /** What is being written, before the lines that wait. */
  #chunk = Buffer.alloc(0);
  #lines: string[] = [];
  /** Bytes of both. */
  #waiting = 0;
  #lost = 0;
  #state: 'Idle' | 'Writing' | 'Pausing' = 'Idle';

  constructor(to: number | LogFile) {
    this.#file = typeof to === 'number' ? undefined : to;
    this.#descriptor = typeof to === 'number' ? to : to.open();
    this.#size = fstatSync(this.#descriptor).size;
    process.once('exit', () => this.#writeLast());
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#waiting + bytes > MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#add(line, bytes);
    if (this.#state === 'Idle') this.#next();
  }

  #add(line: string, bytes = Buffer.byteLength(line)): void {
    this.#lines.push(line);
    this.#waiting += bytes;
  }

  #next(): void {
    this.#state = 'Idle';
    if (this.#takeChunk().length === 0) return;
    this.#state = 'Writing';
    write(this.#descriptor, this.#chunk, (error, written) => (error ? this.#pause() : this.#wrote(written)));
  }

  #takeChunk(): Buffer {
    if (this.#chunk.length === 0) this.#chunk = Buffer.from(this.#lines.splice(0).join(''));
    return this.#chunk;
  }

  #pause(): void {
    this.#state = 'Pausing';
    setTimeout(() => this.#next(), RETRY_PAUSE).unref();
  }

  #wrote(bytes: number): void {
    this.#chunk = this.#chunk.subarray(bytes);
    this.#waiting -= bytes;
    this.#size += bytes;
    if (this.#chunk.length === 0) {
      if (this.#file && this.#size > this.#file.limit) this.#reopen(this.#file);
      if (this.#lost > 0) this.#sayLost();
    }
    this.#next();
  }

  #sayLost(): void {
    const lost = this.#lost;
    this.#lost = 0;
    const time = new Date().toISOString();
    this.#add(
      `${JSON.stringify({ level: 'warn', time, lost, msg: 'lost lines of this log, which could not be written' })}\n`,
    );
  }

  /** A file that cannot be replaced goes on. */
  #reopen({ open }: LogFile): void {
    this.#size = 0;
    try {
      const descriptor = open();
      closeSync(this.#descriptor);
      this.#descriptor = descriptor;
    } catch {
      return;
    }
  }

  /** The system completes a write that has begun. */
  #writeLast(): void {
    if (this.#state === 'Writing') this.#chunk = Buffer.alloc(0);
    for (let writes = 0; writes < LAST_WRITES && this.#takeChunk().length > 0; writes += 1) {
      try {
        this.#chunk = this.#chunk.subarray(writeSync(this.#descriptor, this.#chunk));
      } catch (error: unknown) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_PAUSE);
      }
    }
  }
}
