/**
 * One host: what its domains are, followed by events.
 *
 * LIBVIRT-8: events are registered before domains are listed, and every new connection lists all of them: no change is missed, none is replayed.
 * LIBVIRT-9: of one domain one reading is under way at a time, and a change meanwhile is followed by another reading: what is told was so after
 *     the last event.
 */
import { setMaxListeners } from 'node:events';
import { CODES, Daemon, LIST, type Domain, type HostSize } from './daemon';
import { factsOf, NAMESPACES, type DomainFacts } from './facts';
import { isGone } from './faults';
import { ConnectionError, LibvirtError, type Transport } from './rpc';
import { sleep } from '../sleep';

/** How a host is reached. */
export interface HostOptions {
  /** Unique among the hosts of a platform: the `node` of a placement. */
  name: string;
  transport: Transport;
  /** Such as `qemu:///system`. */
  uri: string;
}

/** What a host tells. */
export interface HostListener {
  /** A domain is as read; undefined: it is gone. */
  domain(host: Host, uuid: string, facts: DomainFacts | undefined): void;
  /** All domains have been told of. */
  listed(host: Host): void;
  /** Changes arrive no more. `retryIn`: milliseconds. */
  broken(host: Host, error: unknown, retryIn: number): void;
}

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
/** Milliseconds between two looks for saved memory that somebody has removed, of which there is no event. */
const LOOK = 30_000;

/** A host, followed from the start until `close`. */
export class Host {
  readonly name: string;
  readonly #options: HostOptions;
  readonly #listener: HostListener;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  readonly #readings = new Map<string, { again: boolean }>();
  #known = new Set<string>();
  #saved = new Set<string>();
  readonly #tries = new Set<() => void>();
  #pausing: AbortController | undefined;
  #daemon: Daemon | undefined;
  #changes: Promise<Daemon> | undefined;
  #error: unknown;
  #size: HostSize | undefined;

  constructor(options: HostOptions, listener: HostListener) {
    this.name = options.name;
    this.#options = options;
    this.#listener = listener;
    this.#running = this.#run();
  }

  /** Whether all domains have been told of, and changes arrive. */
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

  /** Reads a domain now; undefined: the host does not have it. @throws ConnectionError, LibvirtError */
  async read(uuid: string, signal?: AbortSignal): Promise<DomainFacts | undefined> {
    const daemon = this.#daemon ?? (await this.#tryNow(signal));
    return readDomain(daemon, uuid, signal);
  }

  /** Has the domain read, and told of. */
  noticed(uuid: string): void {
    if (this.#daemon) void this.#refresh(this.#daemon, uuid);
  }

  /** A connection for calls that change something, which may take minutes. @throws ConnectionError, LibvirtError */
  async changes(): Promise<Daemon> {
    if (!this.live) await this.#tryNow();
    const { transport, uri } = this.#options;
    this.#changes ??= Daemon.open(transport, uri, () => undefined, this.#closing.signal);
    const opening = this.#changes;
    try {
      const daemon = await opening;
      if (!daemon.closed.aborted) return daemon;
      throw new ConnectionError('the connection was lost');
    } catch (error: unknown) {
      if (this.#changes === opening) this.#changes = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ConnectionError('the platform was closed'));
    await this.#running;
    this.#tried();
    await this.#dropChanges();
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
      await this.#dropChanges();
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

  async #dropChanges(): Promise<void> {
    const changes = this.#changes;
    this.#changes = undefined;
    await changes?.then(
      (daemon) => daemon.close(),
      () => undefined,
    );
  }

  /** From opening to breaking. Rejects with what broke it. */
  async #life(signal: AbortSignal): Promise<never> {
    const { transport, uri } = this.#options;
    const early = new Set<string>();
    let listed = false;
    const onDomain = ({ uuid }: Domain): void => {
      if (!listed) early.add(uuid);
      else void this.#refresh(daemon, uuid);
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
      for (const uuid of early) void this.#refresh(daemon, uuid);
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
    const read = await Promise.all(domains.map(({ uuid }) => readDomain(daemon, uuid, signal)));
    const found = new Set(read.flatMap((facts) => facts?.domain.uuid ?? []));
    for (const uuid of this.#known) if (!found.has(uuid)) this.#listener.domain(this, uuid, undefined);
    this.#known = found;
    for (const facts of read) if (facts) this.#listener.domain(this, facts.domain.uuid, facts);
  }

  async #lookForSaved(daemon: Daemon, signal: AbortSignal): Promise<void> {
    const saved = new Set((await daemon.domains(LIST.saved, signal)).map(({ uuid }) => uuid));
    const changed = [...saved, ...this.#saved].filter((uuid) => saved.has(uuid) !== this.#saved.has(uuid));
    this.#saved = saved;
    for (const uuid of changed) void this.#refresh(daemon, uuid);
  }

  /** LIBVIRT-9. */
  async #refresh(daemon: Daemon, uuid: string): Promise<void> {
    const under = this.#readings.get(uuid);
    if (under) {
      under.again = true;
      return;
    }
    const reading = { again: true };
    this.#readings.set(uuid, reading);
    try {
      while (reading.again) {
        reading.again = false;
        const facts = await readDomain(daemon, uuid, daemon.closed);
        if (daemon !== this.#daemon) return;
        if (facts) this.#known.add(uuid);
        else this.#known.delete(uuid);
        this.#listener.domain(this, uuid, facts);
      }
    } catch (error: unknown) {
      // A domain that cannot be read is read with the next list.
      if (daemon === this.#daemon) daemon.close();
      this.#error = error;
    } finally {
      this.#readings.delete(uuid);
    }
  }

  #unreachable(): Error {
    const why = this.#error === undefined ? 'it was not reached yet' : messageOf(this.#error);
    if (this.#error instanceof LibvirtError)
      return new LibvirtError(this.#error.code, this.#error.domain, `host ${this.name}: ${why}`);
    return new ConnectionError(`host ${this.name} cannot be reached: ${why}`, { cause: this.#error });
  }
}

async function readDomain(
  daemon: Daemon,
  uuid: string,
  signal: AbortSignal | undefined,
): Promise<DomainFacts | undefined> {
  const at = Date.now();
  try {
    const domain = await daemon.lookup(uuid, signal);
    const [{ state, reason }, saved, xml, operation, place] = await Promise.all([
      daemon.state(domain, signal),
      daemon.hasSaved(domain, signal),
      daemon.xml(domain, signal),
      ...Object.values(NAMESPACES).map((uri) => daemon.metadata(domain, uri, signal)),
    ] as const);
    return factsOf({ domain, state, reason, saved, xml, operation, place, at });
  } catch (error: unknown) {
    if (isGone(error)) return undefined;
    // A transient domain has no configuration that would hold a record.
    if (error instanceof LibvirtError && error.code === CODES.invalidOperation) return undefined;
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
