/** One watch of the platform: a line of JSON for every VM, then for every change, with heartbeats between. */
import type { ServerResponse } from 'node:http';
import type { WatchLine } from '../../platforms/simulated';
import type { Machine } from '../machine';

/** Milliseconds between two heartbeats. */
const HEARTBEAT = 2_000;
/** Bytes that may wait for a slow watcher before it is cut off; it then watches again. */
const BACKLOG = 64 * 1024 * 1024;

/** Writes a watch to `response` until the watcher closes it or `closing` aborts. */
export class WatchStream {
  readonly #response: ServerResponse;
  readonly #lines: string[] = [];
  #isScheduled = false;

  constructor(machine: Machine, response: ServerResponse, closing: AbortSignal) {
    this.#response = response;
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    this.#write({ type: 'hello', heartbeat: HEARTBEAT });
    const { states, end } = machine.watch({
      changed: (state) => this.#write({ type: 'changed', state }),
      deleted: (vm) => this.#write({ type: 'deleted', vm }),
    });
    for (const state of states) this.#write({ type: 'changed', state });
    this.#write({ type: 'synced' });
    const heartbeat = setInterval(() => this.#write({ type: 'heartbeat' }), HEARTBEAT);
    const finish = (): void => {
      closing.removeEventListener('abort', finish);
      clearInterval(heartbeat);
      end();
      response.end();
    };
    closing.addEventListener('abort', finish, { once: true });
    response.once('close', finish);
  }

  /** Lines of one turn of the event loop are written together. */
  #write(line: WatchLine): void {
    this.#lines.push(`${lineOf(line)}\n`);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    if (response.writableLength > BACKLOG) response.destroy();
    else response.write(this.#lines.splice(0).join(''));
  }
}

/** JSON on one line, also for `readline` of Node.js 24 and newer, which ends lines at U+2028 and U+2029 too. */
function lineOf(line: WatchLine): string {
  return JSON.stringify(line).replace(/[\u2028\u2029]/g, (found) => `\\u${found.charCodeAt(0).toString(16)}`);
}
