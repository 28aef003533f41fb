/**
 * One host: what its domains are, followed by events.
 *
 * LIBVIRT-8: events are registered before domains are listed, and every new connection lists all of them: no change is missed, none is replayed.
 */
import { setMaxListeners } from 'node:events';
import { ChangeConnection } from './change-connection';
import { Daemon, LIST, type Domain, type HostSize } from './daemon';
import type { DomainFacts } from './facts';
import { readDomain, Readings, tryToRead, type Reading } from './readings';
import { ConnectionError, LibvirtError, type Transport } from './rpc';
import { sleep } from '../sleep';
import { UnreadableDomains, type UnreadableDomain } from './unreadable';

/** How a host is reached. */
export interface HostOptions {
  /** Unique among the hosts of a platform: the `node` of a placement. */
  name: string;
  transport: Transport;
  /** Such as `qemu:///system`. */
  uri: string;
}

/** What a host reports. */
export interface HostListener {
  /** A domain is as read; undefined: it is gone. */
  domain(host: Host, uuid: string, facts: DomainFacts | undefined): void;
  /** A domain that cannot be read is in {@link Host.unreadable} now, or with another reason. */
  unreadable(host: Host, domain: UnreadableDomain): void;
  /** All domains have been reported. */
  listed(host: Host): void;
  /** Changes no longer arrive. `retryIn`: milliseconds. */
  broken(host: Host, error: unknown, retryIn: number): void;
}

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
/** Milliseconds between two checks for removed saved memory, for which libvirt sends no event. */
const LOOK = 30_000;

/** A host, followed from the start until `close`. */
export class Host {
  readonly name: string;
  readonly #options: HostOptions;
  readonly #listener: HostListener;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  readonly #readings = new Readings((...read) => this.#read(...read));
  readonly #unreadable = new UnreadableDomains((daemon, domain) => this.#refresh(daemon, domain));
  readonly #changes: ChangeConnection;
  readonly #known = new Set<string>();
  #saved = new Map<string, Domain>();
  readonly #tries = new Set<() => void>();
  #pausing: AbortController | undefined;
  #daemon: Daemon | undefined;
  #error: unknown;
  #size: HostSize | undefined;

  constructor(options: HostOptions, listener: HostListener) {
    this.name = options.name;
    this.#options = options;
    this.#listener = listener;
    this.#changes = new ChangeConnection(options, this.#closing.signal);
    this.#running = this.#run();
  }

  /** Whether all domains have been reported, and changes arrive. */
  get live(): boolean {
    return this.#daemon !== undefined;
  }

  /** Why it is not live; undefined until the first try has ended. */
  get error(): unknown {
    return this.#error;
  }

  /** Undefined until it was live once. */
  get size(): HostSize | undefined {
    return this.#size;
  }

  /** Domains that cannot be read, by UUID. */
  get unreadable(): ReadonlyMap<string, UnreadableDomain> {
    return this.#unreadable.all;
  }

  /** Reads a domain now; undefined: the host does not have it. @throws ConnectionError, LibvirtError */
  async read(uuid: string, signal?: AbortSignal): Promise<DomainFacts | undefined> {
    const daemon = this.#daemon ?? (await this.#tryNow(signal));
    const facts = await readDomain(daemon, uuid, signal);
    // It could not be read before, perhaps after this reading began.
    const unreadable = this.#unreadable.all.get(uuid);
    if (unreadable) void this.#refresh(daemon, unreadable.domain);
    return facts;
  }

  /** A connection for calls that change something, which may take minutes. @throws ConnectionError, LibvirtError */
  async changes(): Promise<Daemon> {
    if (!this.live) await this.#tryNow();
    return this.#changes.get();
  }

  async close(): Promise<void> {
    this.#closing.abort(new ConnectionError('the platform was closed'));
    await this.#running;
    this.#tried();
    await this.#changes.drop();
  }

  /** The next try, without the pause before it. @throws ConnectionError, LibvirtError where it fails; the reason of `signal` */
  #tryNow(signal?: AbortSignal): Promise<Daemon> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#tries.delete(tried);
        signal?.removeEventListener('abort', abort);
      };
      const abort = (): void => (end(), reject(signal?.reason as Error));
      const tried = (): void => {
        end();
        if (this.#daemon) resolve(this.#daemon);
        else reject(this.#unreachable());
      };
      if (this.#closing.signal.aborted) return reject(this.#closing.signal.reason as Error);
      if (signal?.aborted) return reject(signal.reason as Error);
      signal?.addEventListener('abort', abort, { once: true });
      this.#tries.add(tried);
      this.#pausing?.abort();
    });
  }

  #tried(): void {
    for (const tried of [...this.#tries]) tried();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let pause = FIRST_PAUSE;
    while (!signal.aborted) {
      const error: unknown = await this.#life(signal).catch((reason: unknown) => reason);
      if (this.live) pause = FIRST_PAUSE;
      this.#daemon = undefined;
      this.#error = error;
      await this.#changes.drop();
      if (signal.aborted) break;
      const retryIn = Math.round(pause * (0.5 + Math.random() / 2));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      this.#listener.broken(this, error, retryIn);
      this.#tried();
      this.#pausing = new AbortController();
      await sleep(retryIn, AbortSignal.any([signal, this.#pausing.signal]));
      this.#pausing = undefined;
    }
  }

  /** From opening to breaking. Rejects with what broke it. */
  async #life(signal: AbortSignal): Promise<never> {
    const { transport, uri } = this.#options;
    const early = new Map<string, Domain>();
    let listed = false;
    const onDomain = (domain: Domain): void => {
      if (!listed) early.set(domain.uuid, domain);
      else void this.#refresh(daemon, domain);
    };
    const daemon = await Daemon.open(transport, uri, onDomain, signal);
    try {
      const life = AbortSignal.any([signal, daemon.closed]);
      setMaxListeners(0, life);
      await daemon.follow(life);
      this.#size = await daemon.size(life);
      await this.#list(daemon, life);
      listed = true;
      this.#daemon = daemon;
      this.#error = undefined;
      this.#listener.listed(this);
      this.#tried();
      for (const domain of early.values()) void this.#refresh(daemon, domain);
      void this.#unreadable.readAgain(daemon);
      for (;;) {
        await sleep(LOOK, life);
        life.throwIfAborted();
        await this.#lookForSaved(daemon, life);
      }
    } finally {
      daemon.close();
    }
  }

  async #list(daemon: Daemon, signal: AbortSignal): Promise<void> {
    const domains = await daemon.domains(LIST.all, signal);
    const read = await Promise.all(domains.map((domain) => tryToRead(daemon, domain, signal)));
    const found = new Set(domains.map(({ uuid }) => uuid));
    for (const uuid of this.#known) {
      if (found.has(uuid)) continue;
      this.#known.delete(uuid);
      this.#listener.domain(this, uuid, undefined);
    }
    this.#unreadable.clear();
    for (const reading of read) this.#took(reading);
  }

  async #lookForSaved(daemon: Daemon, signal: AbortSignal): Promise<void> {
    const saved = new Map((await daemon.domains(LIST.saved, signal)).map((domain) => [domain.uuid, domain]));
    const either = [...saved.values(), ...this.#saved.values()];
    const changed = either.filter(({ uuid }) => saved.has(uuid) !== this.#saved.has(uuid));
    this.#saved = saved;
    for (const domain of changed) void this.#refresh(daemon, domain);
  }

  async #refresh(daemon: Daemon, domain: Domain): Promise<void> {
    try {
      await this.#readings.read(daemon, domain);
    } catch (error: unknown) {
      // It is read with the next list.
      if (daemon === this.#daemon) daemon.close();
      this.#error = error;
    }
  }

  /** Reports a domain that was read. False: changes no longer arrive over this connection. */
  #read(daemon: Daemon, reading: Reading): boolean {
    if (daemon !== this.#daemon) return false;
    this.#took(reading);
    if ('error' in reading) void this.#unreadable.readAgain(daemon);
    return true;
  }

  #took(reading: Reading): void {
    const { uuid } = reading.domain;
    if ('error' in reading) {
      this.#known.add(uuid);
      if (this.#unreadable.add(reading)) this.#listener.unreadable(this, reading);
      return;
    }
    const { facts } = reading;
    if (facts) this.#known.add(uuid);
    else this.#known.delete(uuid);
    this.#unreadable.delete(uuid);
    this.#listener.domain(this, uuid, facts);
  }

  #unreachable(): Error {
    const why = this.#error === undefined ? 'it was not reached yet' : messageOf(this.#error);
    if (this.#error instanceof LibvirtError)
      return new LibvirtError(this.#error.code, this.#error.domain, `host ${this.name}: ${why}`);
    return new ConnectionError(`host ${this.name} cannot be reached: ${why}`, { cause: this.#error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
