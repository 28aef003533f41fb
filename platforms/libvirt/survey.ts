/** What libvirt hosts are like, for `vmgroup doctor`. Nothing is changed. */
import { Daemon, LIST, XML, type Domain } from './daemon';
import { factsOf, type DomainFacts } from './facts';
import { isGone } from './faults';
import type { HostOptions } from './host';
import { LibvirtError } from './rpc';

/** A host that answers. */
export interface HostSurvey {
  /** Versions. */
  libvirt: string;
  hypervisor: string;
  cpus: number;
  /** Bytes. */
  memory: number;
  domains: SurveyedDomain[];
  /** Names of those without a configuration. */
  transient: string[];
  /** Those that may not be read, and what libvirt says. */
  unreadable: { name: string; reason: string }[];
  /** Why domains may not be changed; absent: no reason is seen. */
  readOnly?: string;
}

/** A domain of a host. */
export interface SurveyedDomain {
  name: string;
  uuid: string;
  agent: DomainFacts['agent'];
  running: boolean;
  /** libvirt starts it with the host. */
  autostart: boolean;
}

/** Most domains of a host that are read one by one. */
const MOST = 2_000;

/** Surveys one host. @throws ConnectionError, LibvirtError; the reason of `signal` */
export async function surveyHost({ transport, uri }: HostOptions, signal: AbortSignal): Promise<HostSurvey> {
  const daemon = await Daemon.open(transport, uri, () => undefined, signal);
  try {
    const [versions, size] = [await daemon.versions(signal), await daemon.size(signal)];
    const autostart = new Set((await daemon.domains(LIST.autostart, signal)).map(({ uuid }) => uuid));
    const transient = (await daemon.domains(LIST.transient, signal)).map(({ name }) => name);
    const persistent = await daemon.domains(LIST.persistent, signal);
    const found = persistent.sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, MOST);
    const domains: SurveyedDomain[] = [];
    const unreadable: HostSurvey['unreadable'] = [];
    for (const domain of found) {
      const read = await readDomain(daemon, domain, signal);
      if (read && 'reason' in read) unreadable.push(read);
      else if (read) domains.push({ ...read, autostart: autostart.has(domain.uuid) });
    }
    const readable = found.find(({ uuid }) => uuid === domains[0]?.uuid);
    const readOnly = readable && (await whyReadOnly(daemon, readable, signal));
    return {
      ...versions,
      ...size,
      domains,
      transient,
      unreadable,
      ...(readOnly !== undefined && { readOnly }),
    };
  } finally {
    daemon.close();
  }
}

async function readDomain(
  daemon: Daemon,
  domain: Domain,
  signal: AbortSignal,
): Promise<Omit<SurveyedDomain, 'autostart'> | HostSurvey['unreadable'][number] | undefined> {
  try {
    const { state, reason } = await daemon.state(domain, signal);
    const xml = await daemon.xml(domain, signal);
    const nothing = {
      saved: false,
      transient: false,
      operation: undefined,
      place: undefined,
      at: 0,
      reading: 0,
    };
    const { agent, running } = factsOf({ domain, state, reason, xml, ...nothing });
    return { name: domain.name, uuid: domain.uuid, agent, running };
  } catch (error: unknown) {
    if (isGone(error)) return undefined;
    if (error instanceof LibvirtError) return { name: domain.name, reason: error.message.trim() };
    throw error;
  }
}

/** Asks for what only those get who may change the domain. */
async function whyReadOnly(daemon: Daemon, domain: Domain, signal: AbortSignal): Promise<string | undefined> {
  try {
    await daemon.xml(domain, signal, XML.secure);
    return undefined;
  } catch (error: unknown) {
    if (error instanceof LibvirtError && !isGone(error)) return error.message;
    if (isGone(error)) return undefined;
    throw error;
  }
}
