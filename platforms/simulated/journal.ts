/**
 * The journal file: one JSON object a line, only ever appended to.
 *
 * J1: `append` resolves once the line was written to the file, so it outlives kill -9 of this process (not a power cut: no fsync).
 * J2: a last line that a crash cut in half is cut off when the file is opened; its call was never answered.
 */
import { createReadStream } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Entry, JournalLine } from './entries';

/** An open journal. */
export interface Journal {
  readonly path: string;
  /** Takes an entry, numbers it and resolves once it is in the file. Entries of one tick are written together. */
  append(entry: Entry): Promise<void>;
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
    let last = 0;
    for await (const line of readJournal(path, 0)) {
      if (line.n !== last + 1) throw damaged(path, last + 1, `it has number ${line.n}`);
      last = line.n;
      replay(line);
    }
    return new JournalFile(path, file, last);
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
  const size = await lengthOfWholeLines(path);
  if (size === 0) return;
  const input = createReadStream(path, { end: size - 1 });
  for await (const text of createInterface({ input, crlfDelay: Infinity })) {
    number += 1;
    if (number > since) yield parseLine(path, number, text);
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
    const lineFeed = chunk.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (lineFeed >= 0) return start + lineFeed + 1;
    end = start;
  }
  return 0;
}

class JournalFile implements Journal {
  #last: number;
  #lines: string[] = [];
  #next: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #broken: Error | undefined;

  constructor(
    readonly path: string,
    readonly file: FileHandle,
    last: number,
  ) {
    this.#last = last;
  }

  append(entry: Entry): Promise<void> {
    if (this.#broken) return Promise.reject(this.#broken);
    this.#last += 1;
    this.#lines.push(`${JSON.stringify({ n: this.#last, ...entry })}\n`);
    this.#next ??= this.#writeSoon();
    return this.#next;
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
      const text = this.#lines.join('');
      this.#lines = [];
      this.#next = undefined;
      if (this.#broken) throw this.#broken;
      await this.file.appendFile(text);
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
