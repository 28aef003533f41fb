/** What libvirt says of one domain. Pure. */
import { XMLParser } from 'fast-xml-parser';
import type { PowerState } from '../../api';
import type { Domain } from './daemon';

/** Namespaces of our elements in the metadata of a domain. */
export const NAMESPACES = {
  operation: 'https://vmgroup.dev/libvirt/operation',
  place: 'https://vmgroup.dev/libvirt/place',
} as const;

/** What is known of a domain on one host. */
export interface DomainFacts {
  domain: Domain;
  /** Undefined while libvirt is bringing it from one state to another. */
  power: PowerState | undefined;
  /** Why it is paused although QEMU runs; absent: it is not paused. */
  paused?: string;
  /** Its guest crashed, and QEMU keeps it as it is: it is paused for good. */
  crashed: boolean;
  /** Whether QEMU runs. */
  running: boolean;
  /** Whether its memory is saved. */
  saved: boolean;
  /** It has no configuration that would hold a record: it is gone once it is off. */
  transient: boolean;
  /** `None`: it has no channel for a guest agent. */
  agent: 'None' | 'Disconnected' | 'Connected';
  cpus: number;
  /** Bytes. */
  memory: number;
  /** The texts in our elements. */
  operation: string | undefined;
  place: string | undefined;
  /** When the reading of these began, milliseconds since the epoch. Orders nothing: the clock may be set back. */
  at: number;
  /** Number of that reading in this process: one that began later has a greater one. */
  reading: number;
}

/** What the calls about a domain answered. */
export interface DomainAnswers {
  domain: Domain;
  /** `virDomainState`, and the reason of it. */
  state: number;
  reason: number;
  saved: boolean;
  transient: boolean;
  xml: string;
  operation: string | undefined;
  place: string | undefined;
  at: number;
  reading: number;
}

const STATE = { running: 1, blocked: 2, paused: 3, shuttingDown: 4, off: 5, crashed: 6, asleep: 7 } as const;

const CRASHED = 'its guest crashed';

/** `virDomainPausedReason`s of a domain that is not on its way to another state. */
const PAUSED: ReadonlyMap<number, string> = new Map([
  [0, 'libvirt does not say why'],
  [1, 'a user paused it'],
  [5, 'I/O error: a disk of it is full or gone'],
  [6, 'a watchdog of the guest fired'],
  [10, CRASHED],
  [13, 'its migration failed'],
]);

/** Reads what the calls answered. */
export function factsOf({
  domain,
  state,
  reason,
  saved,
  transient,
  xml,
  ...rest
}: DomainAnswers): DomainFacts {
  const running = state !== STATE.off;
  const paused = pausedBy(state, reason);
  return {
    domain,
    running,
    saved,
    transient,
    ...sizeOf(xml),
    power: powerOf(state, paused !== undefined, saved),
    ...(paused !== undefined && { paused }),
    crashed: paused === CRASHED,
    agent: running ? agentOf(xml) : xml.includes(AGENT) ? 'Disconnected' : 'None',
    operation: textIn(rest.operation),
    place: textIn(rest.place),
    at: rest.at,
    reading: rest.reading,
  };
}

/** QEMU goes on beside a guest that crashed if the domain says `on_crash` `preserve`; without QEMU a domain is off, whatever the guest did. */
function pausedBy(state: number, reason: number): string | undefined {
  if (state === STATE.crashed) return CRASHED;
  return state === STATE.paused ? PAUSED.get(reason) : undefined;
}

function powerOf(state: number, paused: boolean, saved: boolean): PowerState | undefined {
  if (state === STATE.off) return saved ? 'Suspended' : 'PoweredOff';
  if (paused) return 'Suspended';
  return state === 0 || state === STATE.paused ? undefined : 'PoweredOn';
}

const AGENT = 'org.qemu.guest_agent.0';

function agentOf(xml: string): DomainFacts['agent'] {
  const target = new RegExp(`<target [^>]*name=['"]${AGENT.replaceAll('.', '\\.')}['"][^>]*>`).exec(xml)?.[0];
  if (target === undefined) return 'None';
  return /\sstate=['"]connected['"]/.test(target) ? 'Connected' : 'Disconnected';
}

const UNITS: ReadonlyMap<string, number> = new Map([
  ...[['b', 1] as const, ['bytes', 1] as const, ['KB', 1e3] as const, ['KiB', 1_024] as const],
  ...[['k', 1_024] as const, ['MiB', 1_048_576] as const, ['M', 1_048_576] as const],
  ...[['GiB', 1_073_741_824] as const, ['G', 1_073_741_824] as const],
]);

function sizeOf(xml: string): { cpus: number; memory: number } {
  const memory = /<memory(?:\s+unit=['"](\w+)['"])?[^>]*>\s*(\d{1,15})\s*</.exec(xml);
  const cpus = /<vcpu[^>]*>\s*(\d{1,6})\s*</.exec(xml);
  return {
    cpus: Number(cpus?.[1] ?? 1),
    memory: Number(memory?.[2] ?? 0) * (UNITS.get(memory?.[1] ?? 'KiB') ?? 1_024),
  };
}

/** The element that holds a text. */
export function elementOf(name: string, text: string): string {
  const written = text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  return `<${name}>${written}</${name}>`;
}

const parser = new XMLParser({ parseTagValue: false, trimValues: true, ignoreDeclaration: true });
/** Characters of an element of ours; longer ones are none. */
const MAX_ELEMENT = 10_000;

/** The text in an element of ours; undefined where it is something else. */
export function textIn(xml: string | undefined): string | undefined {
  if (xml === undefined || xml.length > MAX_ELEMENT) return undefined;
  try {
    const [text] = Object.values(parser.parse(xml) as Record<string, unknown>);
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
