/** The calls of one libvirt daemon that we make, each with its number in libvirt's `remote_protocol.x`. */
import { LibvirtError, openTransport, RpcClient, XdrWriter, type Transport, type XdrReader } from './rpc';

/** Names a domain, as libvirt does in each call. */
export interface Domain {
  name: string;
  /** In lower case, with hyphens. */
  uuid: string;
  /** -1: it does not run. */
  id: number;
}

/** An event about a domain; the details are then read from libvirt. */
export type DomainListener = (domain: Domain) => void;

/** What a host has. */
export interface HostSize {
  cpus: number;
  /** Bytes. */
  memory: number;
}

/** Most domains of one host. */
const MAX_DOMAINS = 16_384;
const AUTH = { none: 0, sasl: 1, polkit: 2 } as const;
const CALLS = {
  open: 1,
  version: 4,
  nodeInfo: 6,
  xml: 14,
  lookupByUuid: 24,
  resume: 28,
  suspend: 34,
  authList: 66,
  authPolkit: 70,
  libVersion: 157,
  save: 182,
  hasSaved: 183,
  dropSaved: 184,
  start: 196,
  state: 212,
  destroy: 234,
  shutdown: 258,
  setMetadata: 264,
  getMetadata: 265,
  list: 273,
  registerEvent: 316,
} as const;
/** Lifecycle, reboot, agent, metadata. */
const EVENTS = [0, 1, 18, 23];
const EVENT_MESSAGES: ReadonlySet<number> = new Set([318, 319, 348, 379]);
/** `VIR_DOMAIN_METADATA_ELEMENT`. */
const ELEMENT = 2;
/** `VIR_DOMAIN_AFFECT_CONFIG`. */
const CONFIG = 2;

/** Codes of errors, `VIR_ERR_*`. */
export const CODES = { invalidOperation: 55, noDomain: 42, noMetadata: 80, agentUnresponsive: 86 } as const;
/** How a guest is asked. */
export const ASK = { acpi: 1, agent: 2 } as const;
/** Kinds of domains to list. */
export const LIST = { all: 0, persistent: 4, transient: 8, saved: 256, autostart: 1_024 } as const;
/** With passwords in it: only who may change a domain may read them. */
export const XML = { secure: 1 } as const;

/** A daemon that takes calls. */
export class Daemon {
  readonly #client: RpcClient;

  private constructor(client: RpcClient) {
    this.#client = client;
  }

  /** Connects. @throws ConnectionError, LibvirtError; the reason of `signal` */
  static async open(
    transport: Transport,
    uri: string,
    onDomain: DomainListener,
    signal: AbortSignal,
  ): Promise<Daemon> {
    const client = new RpcClient(await openTransport(transport, signal), (procedure, body) => {
      if (!EVENT_MESSAGES.has(procedure)) return;
      body.u32();
      onDomain(readDomain(body));
    });
    try {
      await authenticate(client, signal);
      await client.call(CALLS.open, new XdrWriter().optionalString(uri).u32(0).done(), signal);
      return new Daemon(client);
    } catch (error: unknown) {
      client.close();
      throw error;
    }
  }

  /** Aborts once the connection is gone; its reason says why. */
  get closed(): AbortSignal {
    return this.#client.closed;
  }

  close(): void {
    this.#client.close();
  }

  /** From now on the listener receives changes. */
  async follow(signal: AbortSignal): Promise<void> {
    for (const event of EVENTS)
      await this.#client.call(CALLS.registerEvent, new XdrWriter().u32(event).u32(0).done(), signal);
  }

  async domains(which: number, signal?: AbortSignal): Promise<Domain[]> {
    const reply = await this.#client.call(CALLS.list, new XdrWriter().u32(1).u32(which).done(), signal);
    return reply.list(MAX_DOMAINS, () => readDomain(reply));
  }

  async size(signal?: AbortSignal): Promise<HostSize> {
    const reply = await this.#client.call(CALLS.nodeInfo, Buffer.alloc(0), signal);
    // The model: 32 characters, 4 bytes each.
    reply.fixed(128);
    const memory = reply.u64() * 1_024;
    return { memory, cpus: reply.u32() };
  }

  /** Versions of libvirt and of its hypervisor, such as `9.0.0`. */
  async versions(signal?: AbortSignal): Promise<{ libvirt: string; hypervisor: string }> {
    const ask = async (call: number): Promise<string> =>
      versionText((await this.#client.call(call, Buffer.alloc(0), signal)).u64());
    return { libvirt: await ask(CALLS.libVersion), hypervisor: await ask(CALLS.version) };
  }

  /** The domain with a UUID as it is called now. @throws LibvirtError */
  async lookup(uuid: string, signal?: AbortSignal): Promise<Domain> {
    return readDomain(await this.#client.call(CALLS.lookupByUuid, uuidBytes(uuid), signal));
  }

  /** `virDomainState` and its reason. */
  async state(domain: Domain, signal?: AbortSignal): Promise<{ state: number; reason: number }> {
    const reply = await this.#of(domain, CALLS.state, [0], signal);
    return { state: reply.i32(), reason: reply.i32() };
  }

  /** Of a running domain: its XML as it runs. `flags`: {@link XML}. */
  async xml(domain: Domain, signal?: AbortSignal, flags = 0): Promise<string> {
    return (await this.#of(domain, CALLS.xml, [flags], signal)).string();
  }

  /** Whether its memory is saved. */
  async hasSaved(domain: Domain, signal?: AbortSignal): Promise<boolean> {
    return (await this.#of(domain, CALLS.hasSaved, [0], signal)).i32() === 1;
  }

  /** An element of the persistent configuration under a namespace of ours; undefined: there is none. */
  async metadata(domain: Domain, uri: string, signal?: AbortSignal): Promise<string | undefined> {
    const body = writeDomain(domain).u32(ELEMENT).optionalString(uri).u32(CONFIG).done();
    try {
      return (await this.#client.call(CALLS.getMetadata, body, signal)).string();
    } catch (error: unknown) {
      if (error instanceof LibvirtError && error.code === CODES.noMetadata) return undefined;
      throw error;
    }
  }

  /** Writes it; undefined removes it. */
  async setMetadata(
    domain: Domain,
    uri: string,
    xml: string | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const body = writeDomain(domain).u32(ELEMENT).optionalString(xml).optionalString('vmgroup');
    await this.#client.call(CALLS.setMetadata, body.optionalString(uri).u32(CONFIG).done(), signal);
  }

  /** Starts it, from its saved memory where it has that. Resolves once QEMU is up. */
  start = async (domain: Domain): Promise<void> => void (await this.#of(domain, CALLS.start, [0]));
  resume = async (domain: Domain): Promise<void> => void (await this.#of(domain, CALLS.resume, []));
  destroy = async (domain: Domain): Promise<void> => void (await this.#of(domain, CALLS.destroy, [0]));
  /** Writes its memory to disk and ends QEMU. */
  save = async (domain: Domain): Promise<void> => void (await this.#of(domain, CALLS.save, [0]));
  dropSaved = async (domain: Domain): Promise<void> => void (await this.#of(domain, CALLS.dropSaved, [0]));

  /** Asks the guest to shut down; it may not. */
  async shutdown(domain: Domain, how: number, signal?: AbortSignal): Promise<void> {
    await this.#of(domain, CALLS.shutdown, [how], signal);
  }

  #of(domain: Domain, procedure: number, flags: readonly number[], signal?: AbortSignal): Promise<XdrReader> {
    const body = writeDomain(domain);
    for (const flag of flags) body.u32(flag);
    return this.#client.call(procedure, body.done(), signal);
  }
}

async function authenticate(client: RpcClient, signal: AbortSignal): Promise<void> {
  const reply = await client.call(CALLS.authList, Buffer.alloc(0), signal);
  const ways = reply.list(20, () => reply.u32());
  if (ways.includes(AUTH.none)) return;
  // The daemon asks polkit about the process at the other end of the socket.
  if (ways.includes(AUTH.polkit)) await client.call(CALLS.authPolkit, Buffer.alloc(0), signal);
  else
    throw new LibvirtError(
      45,
      7,
      'the daemon asks for SASL, which is not supported: use ssh or client certificates',
    );
}

function versionText(version: number): string {
  return [Math.floor(version / 1e6), Math.floor(version / 1e3) % 1e3, version % 1e3].join('.');
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

function writeDomain({ name, uuid, id }: Domain): XdrWriter {
  return new XdrWriter().string(name).fixed(uuidBytes(uuid)).u32(id);
}

function readDomain(reply: XdrReader): Domain {
  const name = reply.string();
  const hex = reply.fixed(16).toString('hex');
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    '-',
  );
  return { name, uuid, id: reply.i32() };
}
