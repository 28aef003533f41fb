/** Checks of libvirt hosts: whether they are reached, their versions, rights, and what of their VMs keeps groups from being powered in order. */
import { existsSync } from 'node:fs';
import { firstFew, type LibvirtHost, type LibvirtSettings } from '../../../api';
import type { HostSurvey } from '../../../platforms/libvirt';
import { messageOf } from '../../errors';
import * as lazy from '../../lazy';
import { counted } from '../../output';
import { hostOptions } from '../../runtime';
import type { CheckResult, Judgement } from '../check-result';

/** A host with what was found there. */
export interface SurveyedHost extends Pick<LibvirtHost, 'name' | 'ssh' | 'tls'> {
  survey: HostSurvey;
}

/** Milliseconds in which one host is surveyed. */
const SURVEYING = 60_000;
/** Most names in one message. */
const NAMES = 5;
/** Where systemd has it if the service that starts and stops all VMs with the host is enabled. */
const GUESTS_SERVICE = '/etc/systemd/system/multi-user.target.wants/libvirt-guests.service';

/** Checks all hosts of a Platform. */
export async function checkLibvirt(name: string, { hosts }: LibvirtSettings): Promise<CheckResult[]> {
  const looked = await Promise.all(hosts.map((host) => look(name, host)));
  const surveyed = looked.flatMap(({ found }) => found ?? []);
  return [
    ...looked.flatMap(({ results }) => results),
    ...judgeFleet(surveyed).map((judgement) => ({ check: `VMs of ${name}`, ...judgement })),
  ];
}

async function look(
  platform: string,
  host: LibvirtHost,
): Promise<{ results: CheckResult[]; found?: SurveyedHost }> {
  const check = `host ${host.name} of ${platform}`;
  try {
    const options = hostOptions(host, process.env);
    const survey = await lazy.libvirt().surveyHost(options, AbortSignal.timeout(SURVEYING));
    const found = { ...host, survey };
    const results = judgeHost(found, existsSync(GUESTS_SERVICE)).map((judgement) => ({
      check,
      ...judgement,
    }));
    return { results, found };
  } catch (error: unknown) {
    return { results: [{ check, ...judgeUnreached(host, error) }] };
  }
}

function judgeUnreached({ ssh, tls }: LibvirtHost, error: unknown): Judgement {
  const message = messageOf(error);
  if (ssh !== undefined)
    return {
      result: 'problem',
      message,
      cure: `try ssh -o BatchMode=yes ${ssh} virt-ssh-helper --help: it needs a key, a known host key, and the packages of libvirt there`,
    };
  if (tls)
    return {
      result: 'problem',
      message,
      cure: `check that libvirtd listens there with TLS, that ${tls.caFile} has signed both certificates, and that the name in its certificate is ${tls.host}`,
    };
  return {
    result: 'problem',
    message,
    cure: /EACCES/.test(message)
      ? 'put the user of this process into the group libvirt, and log in again'
      : 'start the daemon: systemctl start libvirtd, or virtqemud',
  };
}

/** The findings on one host. `guestsService`: this machine starts and stops all its VMs with itself. Pure. */
export function judgeHost({ ssh, tls, survey }: SurveyedHost, guestsService: boolean): Judgement[] {
  const { libvirt, hypervisor, cpus, memory, domains, transient, unreadable, readOnly } = survey;
  const size = `${counted(cpus, 'CPU')}, ${Math.round(memory / 2 ** 20)} MiB`;
  const judgements: Judgement[] = [
    {
      result: 'ok',
      message: `libvirt ${libvirt}, hypervisor ${hypervisor}; ${size}; ${counted(domains.length, 'VM')}`,
      facts: { libvirt, hypervisor, cpus, memory, vms: domains.length },
    },
  ];
  if (readOnly !== undefined)
    judgements.push({
      result: 'problem',
      message: `VMs may be read, not changed: ${readOnly}`,
      cure: 'give the user of this process the right to manage VMs: the group libvirt, or a rule of polkit',
    });
  const hidden = unreadable.map(({ name }) => name);
  if (hidden.length > 0)
    judgements.push({
      result: 'problem',
      message: `cannot be read: ${firstFew(hidden, NAMES).join(', ')}: ${unreadable[0]?.reason}`,
      cure: 'give the user of this process the right to read and manage them: the group libvirt, or a rule of polkit',
      facts: { unreadable: hidden },
    });
  const starting = domains.filter(({ autostart }) => autostart).map(({ name }) => name);
  if (starting.length > 0)
    judgements.push({
      result: 'note',
      message: `libvirt starts ${firstFew(starting, NAMES).join(', ')} with the host, in no order`,
      cure: `for members of groups: virsh autostart --disable ${starting[0]}`,
      facts: { autostart: starting },
    });
  if (guestsService && ssh === undefined && tls === undefined)
    judgements.push({
      result: 'note',
      message: 'the service libvirt-guests starts and stops VMs with this machine, in no order',
      cure: 'systemctl disable libvirt-guests, if groups are to power the VMs',
    });
  const silent = domains.filter(({ agent }) => agent === 'None').map(({ name }) => name);
  if (silent.length > 0)
    judgements.push({
      result: 'note',
      message: `no channel for a guest agent: ${firstFew(silent, NAMES).join(', ')}; nothing reports that they are ready`,
      cure: 'add the channel org.qemu.guest_agent.0 and qemu-guest-agent, or use the gate PoweredOn or Probe',
      facts: { withoutAgent: silent },
    });
  if (transient.length > 0)
    judgements.push({
      result: 'note',
      message: `transient VMs are left out: ${firstFew(transient, NAMES).join(', ')}`,
      cure: 'virsh define makes them permanent',
      facts: { transient },
    });
  return judgements;
}

/** The findings on the VMs of all hosts together. Pure. */
export function judgeFleet(hosts: readonly SurveyedHost[]): Judgement[] {
  const all = hosts.flatMap(({ name: host, survey }) =>
    survey.domains.map((domain) => ({ host, ...domain })),
  );
  const byUuid = grouped(all, ({ uuid }) => uuid).filter((same) => same.length > 1);
  const judgements: Judgement[] = [];
  for (const same of byUuid) {
    const running = same.filter(({ running: is }) => is);
    if (running.length < 2) continue;
    judgements.push({
      result: 'problem',
      message: `${same[0]?.name} runs on ${running.map(({ host }) => host).join(' and ')} at the same time: its disks are being damaged if they are the same`,
      cure: 'destroy it on all hosts but one, and check its file systems',
      facts: { uuid: same[0]?.uuid, hosts: running.map(({ host }) => host) },
    });
  }
  if (byUuid.length > 0)
    judgements.push({
      result: 'note',
      message: `defined on several hosts, one of which is chosen at each start: ${names(byUuid)}`,
      cure: 'make sure that their disks are on storage that all these hosts share',
      facts: { vms: byUuid.map((same) => ({ uuid: same[0]?.uuid, hosts: same.map(({ host }) => host) })) },
    });
  const byName = grouped(all, ({ name }) => name).filter(
    (same) => new Set(same.map(({ uuid }) => uuid)).size > 1,
  );
  if (byName.length > 0)
    judgements.push({
      result: 'note',
      message: `several VMs share a name, so they cannot be found by it: ${names(byName)}`,
      cure: 'name them in manifests by vmgroup.dev/platform-vm: uuid:UUID, or path:/HOST/NAME',
      facts: { names: byName.map((same) => same[0]?.name) },
    });
  return [...judgements, ...judgeUnseen(hosts)];
}

/** What is not checked: libvirt does not report services, and ssh may be allowed for nothing but libvirt. */
function judgeUnseen(hosts: readonly SurveyedHost[]): Judgement[] {
  const remote = hosts.filter(({ ssh, tls }) => ssh !== undefined || tls !== undefined);
  if (remote.length === 0) return [];
  const named = remote.map(({ name }) => name);
  return [
    {
      result: 'note',
      message: `unknown for ${firstFew(named, NAMES).join(', ')}: whether the service libvirt-guests starts and stops VMs with the host; doctor checks it on this machine only`,
      cure: 'run systemctl is-enabled libvirt-guests on each of them, and disable it there if groups are to power the VMs',
      facts: { hosts: named },
    },
  ];
}

/** Items with the same key together. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}

function names(groups: readonly { host: string; name: string }[][]): string {
  const texts = groups.map((same) => `${same[0]?.name} (${same.map(({ host }) => host).join(', ')})`);
  return firstFew(texts, NAMES).join('; ');
}
