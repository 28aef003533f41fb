/** A real headless Chromium, driven by the DevTools protocol over a pipe. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The browser, or what to install. */
export function findChromium(): string {
  const named = process.env['VMGROUP_CHROMIUM'];
  const found = named ?? PROGRAMS.find((program) => existsSync(program));
  if (found !== undefined && spawnSync(found, ['--version']).status === 0) return found;
  throw new Error(
    'These tests need Chromium: apt-get install chromium, or name a program in VMGROUP_CHROMIUM.',
  );
}

interface Message {
  id?: number;
  sessionId?: string;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: { message: string };
}

/** One page in a browser. */
export interface BrowserPage {
  /** Errors of the console, of scripts and of the content security policy, and requests that failed. */
  errors: string[];
  /** Every address that the page asked for. */
  requests: string[];
  open(url: string): Promise<void>;
  evaluate<T>(expression: string): Promise<T>;
  /** Sends a command of the DevTools protocol. */
  send<T>(method: string, params?: object): Promise<T>;
  close(): Promise<void>;
}

/** Starts a browser of its own with one empty page. */
export async function startChromium(): Promise<BrowserPage> {
  const profile = mkdtempSync(path.join(tmpdir(), 'vmgroup-chromium-'));
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--no-first-run'];
  const child = spawn(
    findChromium(),
    [...args, '--remote-debugging-pipe', `--user-data-dir=${profile}`, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const connection = new Connection(child);
  const { targetInfos } = await connection.send<{ targetInfos: { targetId: string; type: string }[] }>(
    'Target.getTargets',
  );
  const target = targetInfos.find(({ type }) => type === 'page');
  const { sessionId } = await connection.send<{ sessionId: string }>('Target.attachToTarget', {
    targetId: target?.targetId,
    flatten: true,
  });
  const page = new Page(connection, sessionId, async () => {
    const exited = new Promise((resolve) => child.once('exit', resolve));
    // It ends its own processes, which still write to the profile after a kill.
    await connection.send('Browser.close').catch(() => child.kill('SIGKILL'));
    await exited;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.send(`${domain}.enable`);
  return page;
}

class Page implements BrowserPage {
  readonly errors: string[] = [];
  readonly requests: string[] = [];

  constructor(
    readonly connection: Connection,
    readonly sessionId: string,
    readonly close: () => Promise<void>,
  ) {
    connection.onEvent = ({ method, params = {} }) => this.#take(method ?? '', params);
  }

  async open(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => (this.#loaded = resolve));
    await this.send('Page.navigate', { url });
    await loaded;
  }

  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send<{
      result: { value: T };
      exceptionDetails?: { text: string };
    }>('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value;
  }

  send<T>(method: string, params: object = {}): Promise<T> {
    return this.connection.send<T>(method, params, this.sessionId);
  }

  #loaded: () => void = () => undefined;

  #take(method: string, params: Record<string, unknown>): void {
    if (method === 'Page.loadEventFired') this.#loaded();
    if (method === 'Network.requestWillBeSent')
      this.requests.push((params as { request: { url: string } }).request.url);
    if (method === 'Runtime.exceptionThrown' || method === 'Network.loadingFailed')
      this.errors.push(JSON.stringify(params));
    if (method === 'Runtime.consoleAPICalled' && params['type'] === 'error')
      this.errors.push(JSON.stringify(params));
    if (method === 'Log.entryAdded' && (params as { entry: { level: string } }).entry.level === 'error')
      this.errors.push(JSON.stringify(params));
  }
}

class Connection {
  onEvent: (message: Message) => void = () => undefined;
  readonly #input: Writable;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #last = 0;
  #unread = '';

  constructor(child: ChildProcess) {
    this.#input = child.stdio[3] as Writable;
    const output = child.stdio[4] as Readable;
    output.setEncoding('utf8').on('data', (chunk: string) => this.#take(chunk));
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Chromium ended'));
    });
    this.#input.on('error', () => undefined);
  }

  send<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = (this.#last += 1);
    this.#input.write(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }) + '\0');
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #take(chunk: string): void {
    const messages = (this.#unread + chunk).split('\0');
    this.#unread = messages.pop() ?? '';
    for (const text of messages) {
      const message = JSON.parse(text) as Message;
      const waiting = this.#waiting.get(message.id ?? 0);
      if (!waiting) this.onEvent(message);
      else if (message.error) waiting.reject(new Error(message.error.message));
      else waiting.resolve(message.result as never);
      this.#waiting.delete(message.id ?? 0);
    }
  }
}
