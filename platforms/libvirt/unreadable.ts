/**
 * The domains of one host that libvirt has and would not let us read, as where polkit grants rights VM by VM.
 *
 * LIBVIRT-16: one of them does not hold up the others of its host. What it is counts as not known, never as off or gone, and it is read again until
 *     it can be.
 */
import { sleep } from '../sleep';
import type { Daemon, Domain } from './daemon';
import type { LibvirtError } from './rpc';

/** One of them, and what libvirt said. */
export interface UnreadableDomain {
  domain: Domain;
  error: LibvirtError;
}

/** Milliseconds before they are read again; doubles each time. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** Those of one host. */
export class UnreadableDomains {
  readonly #domains = new Map<string, UnreadableDomain>();
  readonly #read: (daemon: Daemon, domain: Domain) => Promise<void>;
  /** Where they are being read again. */
  #again: Daemon | undefined;

  /** @param read Reads one of them again. Does not reject. */
  constructor(read: (daemon: Daemon, domain: Domain) => Promise<void>) {
    this.#read = read;
  }

  /** By UUID. */
  get all(): ReadonlyMap<string, UnreadableDomain> {
    return this.#domains;
  }

  /** Returns whether that is new. */
  add({ domain, error }: UnreadableDomain): boolean {
    const before = this.#domains.get(domain.uuid);
    this.#domains.set(domain.uuid, { domain, error });
    return before?.error.message !== error.message;
  }

  /** It was read, or is gone. */
  delete(uuid: string): void {
    this.#domains.delete(uuid);
  }

  /** Another connection may be told more. */
  clear(): void {
    this.#domains.clear();
  }

  /** LIBVIRT-16. Resolves once all could be read, or the connection is closed. */
  async readAgain(daemon: Daemon): Promise<void> {
    if (this.#again === daemon) return;
    this.#again = daemon;
    for (let pause = FIRST_PAUSE; this.#isLeft(daemon); pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      await sleep(pause, daemon.closed);
      for (const { domain } of [...this.#domains.values()])
        if (this.#isLeft(daemon)) await this.#read(daemon, domain);
    }
    if (this.#again === daemon) this.#again = undefined;
  }

  #isLeft(daemon: Daemon): boolean {
    return this.#domains.size > 0 && !daemon.closed.aborted;
  }
}
