/**
 * How domains are read, each by itself.
 *
 * LIBVIRT-9: of one domain one reading is under way at a time, and a change meanwhile is followed by another reading: what is reported was so after
 *     the last event. Of two readings the one that began later counts, whatever the clock says.
 */
import { CODES, type Daemon, type Domain } from './daemon';
import { factsOf, NAMESPACES, type DomainFacts } from './facts';
import { isGone } from './faults';
import { LibvirtError } from './rpc';

/** What came of reading a domain. `facts` undefined: it is gone; `error`: libvirt did not let us. */
export type Reading = { domain: Domain } & ({ facts: DomainFacts | undefined } | { error: LibvirtError });

/** Readings that have begun in this process. */
let begun = 0;

/** Readings of single domains. */
export class Readings {
  readonly #under = new Map<string, { again: boolean }>();
  readonly #tell: (daemon: Daemon, reading: Reading) => boolean;

  /** @param tell called with each reading. Returns false if readings over this connection no longer count. */
  constructor(tell: (daemon: Daemon, reading: Reading) => boolean) {
    this.#tell = tell;
  }

  /** LIBVIRT-9. Resolves at once if the domain is being read. @throws ConnectionError */
  async read(daemon: Daemon, domain: Domain): Promise<void> {
    const { uuid } = domain;
    const under = this.#under.get(uuid);
    if (under) {
      under.again = true;
      return;
    }
    const reading = { again: true };
    this.#under.set(uuid, reading);
    try {
      while (reading.again) {
        reading.again = false;
        if (!this.#tell(daemon, await tryToRead(daemon, domain, daemon.closed))) return;
      }
    } finally {
      this.#under.delete(uuid);
    }
  }
}

/** Reads a domain, if libvirt lets us. @throws ConnectionError */
export async function tryToRead(
  daemon: Daemon,
  domain: Domain,
  signal: AbortSignal | undefined,
): Promise<Reading> {
  try {
    return { domain, facts: await readDomain(daemon, domain.uuid, signal) };
  } catch (error: unknown) {
    if (error instanceof LibvirtError) return { domain, error };
    throw error;
  }
}

/** Reads a domain; undefined: it is gone, or is only coming in from another host. @throws ConnectionError, LibvirtError */
export async function readDomain(
  daemon: Daemon,
  uuid: string,
  signal: AbortSignal | undefined,
): Promise<DomainFacts | undefined> {
  const at = Date.now();
  begun += 1;
  const reading = begun;
  try {
    const domain = await daemon.lookup(uuid, signal);
    const [{ state, reason }, saved, xml, records] = await Promise.all([
      daemon.state(domain, signal),
      daemon.hasSaved(domain, signal),
      daemon.xml(domain, signal),
      readRecords(daemon, domain, signal),
    ]);
    const facts = factsOf({ domain, state, reason, saved, xml, ...records, at, reading });
    return facts.transient && facts.power === undefined ? undefined : facts;
  } catch (error: unknown) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Our records on a domain, if it has a configuration that holds them. */
async function readRecords(
  daemon: Daemon,
  domain: Domain,
  signal: AbortSignal | undefined,
): Promise<Pick<DomainFacts, 'transient' | 'operation' | 'place'>> {
  try {
    const [operation, place] = await Promise.all([
      daemon.metadata(domain, NAMESPACES.operation, signal),
      daemon.metadata(domain, NAMESPACES.place, signal),
    ]);
    return { transient: false, operation, place };
  } catch (error: unknown) {
    if (!(error instanceof LibvirtError) || error.code !== CODES.invalidOperation) throw error;
    return { transient: true, operation: undefined, place: undefined };
  }
}
