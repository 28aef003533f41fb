/**
 * The journal file: one JSON object a line, only ever appended to.
 *
 * JOURNAL-1: `append` resolves once the line was written to the file, so it outlives kill -9 of this process (not a power cut: no fsync).
 * JOURNAL-2: a last line that a crash cut in half is cut off when the file is opened; its call was never answered.
 */
import { createReadStream } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { JournalEntry, JournalLine } from '../../platforms/simulated';

const LINE_FEED = 0x0a;

/** An open journal. */
export interface Journal {
  readonly path: string;
  /** Takes an entry, numbers it and resolves once it is in the file. Entries of one tick are written together. */
  append(entry: JournalEntry): Promise<void>;
  /** Reads up to `limit` lines after number `since`, of those that are in the file now. */
  read(since: number, limit: number): AsyncGenerator<JournalLine>;
  /** Writes nothing from now on: what was not written yet, and each later entry, is rejected with `error`. */
  fail(error: Error): void;
  /** Waits for what is being written and closes the file. */
  close(): Promise<void>;
}

/**
 * Opens or creates the journal at `path` and hands each line in it to `replay`.
 *
 * @throws Error where a line is not a journal line, with its number.
 */
export async function openJournal(path: string, replay: (line: JournalLine) => void): Promise<Journal> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a+');
  try {
    await cutTornLine(file);
    const places = new Places();
    let last = 0;
    for await (const text of textLines(path, 0, await lengthOfWholeLines(path))) {
      const line = parseLine(path, last + 1, text);
      if (line.n !== last + 1) throw damaged(path, last + 1, `it has number ${line.n}`);
      last = line.n;
      places.add(Buffer.byteLength(text) + 1);
      replay(line);
    }
    return new JournalFile(path, file, places);
  } catch (error: unknown) {
    await file.close();
    throw error;
  }
}

/**
 * Reads the lines of a journal after number `since`; a last line that is not written to its end is left out.
 *
 * @throws Error where a line is not a journal line, with its number.
 */
export async function* readJournal(path: string, since: number): AsyncGenerator<JournalLine> {
  let number = 0;
  for await (const text of textLines(path, 0, await lengthOfWholeLines(path))) {
    number += 1;
    if (number > since) yield parseLine(path, number, text);
  }
}

/** Whole lines between two places in a file, bytes. Only a line feed ends a line: readline takes U+2028 within a text for an end as well. */
async function* textLines(path: string, start: number, end: number): AsyncGenerator<string> {
  if (start >= end) return;
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { start, end: end - 1 }) as AsyncIterable<Buffer>) {
    let from = 0;
    const bytes = Buffer.concat([rest, chunk]);
    for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, from)) {
      yield bytes.toString('utf8', from, at);
      from = at + 1;
    }
    rest = bytes.subarray(from);
  }
}

/** Lines between two places that are kept. */
const LINES_PER_PLACE = 1_000;

/** Where every thousandth line of a journal begins, so that a page of it is read without what is before it. */
class Places {
  /** Begin of line 1, 1,001, 2,001 and so on, bytes. */
  readonly #begins = [0];
  #size = 0;
  #count = 0;

  /** Number of the last line. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of all lines. */
  get size(): number {
    return this.#size;
  }

  /** Takes the next line, with the bytes that it has in the file. */
  add(bytes: number): void {
    this.#size += bytes;
    this.#count += 1;
    if (this.#count % LINES_PER_PLACE === 0) this.#begins.push(this.#size);
  }

  /** The last known begin of a line at or before number `n`. */
  before(n: number): { number: number; begin: number } {
    const index = Math.min(Math.floor((n - 1) / LINES_PER_PLACE), this.#begins.length - 1);
    return { number: index * LINES_PER_PLACE + 1, begin: this.#begins[index] ?? 0 };
  }
}

function parseLine(path: string, number: number, text: string): JournalLine {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line === 'object' && line !== null && 'n' in line && 'type' in line)
      return line as JournalLine;
  } catch {
    // Falls through to the one message for every kind of damage.
  }
  throw damaged(path, number, 'it is not a journal line');
}

function damaged(path: string, number: number, why: string): Error {
  return new Error(
    `journal ${path} is damaged at line ${number}: ${why}; move the file away to start with an empty platform`,
  );
}

async function lengthOfWholeLines(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    return await endOfLastLine(file);
  } finally {
    await file.close();
  }
}

async function cutTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const whole = await endOfLastLine(file);
  if (whole < size) await file.truncate(whole);
}

/** Bytes up to and with the last line feed. */
async function endOfLastLine(file: FileHandle): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024);
  let end = (await file.stat()).size;
  while (end > 0) {
    const start = Math.max(0, end - chunk.length);
    const { bytesRead } = await file.read(chunk, 0, end - start, start);
    const lineFeed = chunk.subarray(0, bytesRead).lastIndexOf(LINE_FEED);
    if (lineFeed >= 0) return start + lineFeed + 1;
    end = start;
  }
  return 0;
}

class JournalFile implements Journal {
  /** Number of the last line that was taken; it may not be in the file yet. */
  #last: number;
  #lines: string[] = [];
  #next: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #broken: Error | undefined;

  constructor(
    readonly path: string,
    readonly file: FileHandle,
    /** Of what is in the file. */
    readonly places: Places,
  ) {
    this.#last = places.count;
  }

  append(entry: JournalEntry): Promise<void> {
    if (this.#broken) return Promise.reject(this.#broken);
    this.#last += 1;
    this.#lines.push(`${JSON.stringify({ n: this.#last, ...entry })}\n`);
    this.#next ??= this.#writeSoon();
    return this.#next;
  }

  fail(error: Error): void {
    this.#broken ??= error;
  }

  async *read(since: number, limit: number): AsyncGenerator<JournalLine> {
    const { size, count } = this.places;
    if (since >= count) return;
    const place = this.places.before(since + 1);
    let { number } = place;
    let left = limit;
    for await (const text of textLines(this.path, place.begin, size)) {
      if (left === 0) return;
      if (number > since) {
        left -= 1;
        yield parseLine(this.path, number, text);
      }
      number += 1;
    }
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => undefined);
    await this.#writing.catch(() => undefined);
    await this.file.close();
  }

  async #writeSoon(): Promise<void> {
    const before = this.#writing;
    let done: () => void = () => undefined;
    this.#writing = new Promise((resolve) => (done = resolve));
    try {
      await before;
      await new Promise((resolve) => setImmediate(resolve));
      const lines = this.#lines;
      this.#lines = [];
      this.#next = undefined;
      if (this.#broken) throw this.#broken;
      await this.file.appendFile(lines.join(''));
      for (const line of lines) this.places.add(Buffer.byteLength(line));
    } catch (error: unknown) {
      // Half a batch may be in the file: nothing may follow it. The next start cuts it off.
      this.#broken ??= new Error(`journal ${this.path} cannot be written: ${String(error)}`, {
        cause: error,
      });
      throw this.#broken;
    } finally {
      done();
    }
  }
}
