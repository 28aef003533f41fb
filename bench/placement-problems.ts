/** Problems to place, with seeds: big ones with the rules of real applications, and small ones whose best answer can be proven. */
import type { AffinityTerm } from '../api';
import type { PlacedVm, PlacementHost, PlacementProblem, PlacementVm } from '../placement';

const GiB = 2 ** 30;

/** What VMs ask for. */
const SIZES = [
  { cpus: 2, memory: 4 * GiB },
  { cpus: 2, memory: 8 * GiB },
  { cpus: 4, memory: 8 * GiB },
  { cpus: 4, memory: 16 * GiB },
  { cpus: 8, memory: 32 * GiB },
];

/** Draws whole numbers from 0 to below a limit. */
export type Draw = (limit: number) => number;

/** Numbers that are the same for the same seed (a linear congruence, upper bits). */
export function drawer(seed: number): Draw {
  let state = (seed * 2654435761) >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

type Strength = AffinityTerm['strength'];

function rule(
  effect: AffinityTerm['effect'],
  over: 'host' | 'zone',
  labels: Record<string, string>,
  strength: Strength = 'Required',
): AffinityTerm {
  return {
    effect,
    strength,
    topologyKey: over === 'host' ? 'kubernetes.io/hostname' : 'topology.kubernetes.io/zone',
    selector: { matchLabels: labels, matchExpressions: [] },
    path: `spec.affinity.${over}${effect}.${strength}.${Object.values(labels).join('.')}`,
  };
}

function machine(name: string, labels: Record<string, string>, draw: Draw, affinity: AffinityTerm[]): PlacementVm {
  const size = SIZES[draw(SIZES.length)]!;
  return { namespace: 'bench', name, uid: name, labels, ...size, affinity };
}

/**
 * `count` VMs in applications of ten: three database replicas in zones of their own, four application servers on hosts of their own,
 * a cache beside one of them, and two web servers that rather stand apart (in every tenth application that is all the rules there are).
 */
export function applications(count: number, hostCount: number, zoneCount: number, seed = 1): PlacementProblem {
  const draw = drawer(seed);
  const vms: PlacementVm[] = [];
  for (let app = 0; vms.length < count; app++) {
    const name = `app-${app}`;
    const isLoose = app % 10 === 9;
    const strength: Strength = isLoose ? 'Preferred' : 'Required';
    const of = (tier: string): Record<string, string> => ({ app: name, tier });
    const add = (tier: string, replicas: number, affinity: AffinityTerm[]): void => {
      for (let at = 0; at < replicas && vms.length < count; at++)
        vms.push(machine(`${name}-${tier}-${at}`, of(tier), draw, affinity));
    };
    add('db', 3, [rule('AntiAffinity', 'zone', of('db'), strength)]);
    add('server', 4, [rule('AntiAffinity', 'host', of('server'), strength)]);
    add('cache', 1, [rule('Affinity', 'host', of('server'), strength)]);
    add('web', 2, [
      rule('AntiAffinity', 'host', of('web'), strength),
      rule('AntiAffinity', 'zone', of('web'), 'Preferred'),
    ]);
  }
  return { vms, placed: [], hosts: machines(hostCount, zoneCount, 32, 128), datastores: [] };
}

function machines(count: number, zoneCount: number, cpus: number, memory: number): PlacementHost[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `host-${at}`,
    zone: `zone-${at % zoneCount}`,
    cpus,
    memory: memory * GiB,
  }));
}

/** A small problem that is known to have an answer, as it was made from one. */
export interface Planted {
  problem: PlacementProblem;
  /** Share of all CPUs or memory that will be taken, whichever is more. */
  fullness: number;
}

/**
 * Up to 40 VMs on up to 8 hosts in up to 4 zones, put there by chance; rules that hold there by chance are written down as required ones,
 * others as preferred ones, kept there or not. `isTight`: hosts are cut down until over 95 % are taken.
 */
export function planted(seed: number, isTight: boolean): Planted {
  const draw = drawer(seed);
  const zoneCount = 2 + draw(3);
  const hostCount = Math.max(zoneCount, 3 + draw(6));
  const hosts = machines(hostCount, zoneCount, 32, 128);
  const vms: PlacementVm[] = [];
  const at = new Map<string, number>();
  const free = hosts.map(({ cpus, memory }) => ({ cpus, memory }));
  const most = 8 + draw(33);
  for (let look = 0; vms.length < most && look < 200; look++) {
    const name = `vm-${vms.length}`;
    const vm = machine(name, { app: `app-${draw(5)}`, tier: ['web', 'db', 'cache'][draw(3)]! }, draw, []);
    const host = draw(hostCount);
    const room = free[host]!;
    if (room.cpus < vm.cpus || room.memory < vm.memory) continue;
    room.cpus -= vm.cpus;
    room.memory -= vm.memory;
    at.set(name, host);
    vms.push(vm);
  }
  const placed: PlacedVm[] = [];
  if (isTight) for (const [index, host] of hosts.entries()) cutDown(host, free[index]!, draw);
  for (const vm of vms) vm.affinity = rulesFor(vm, vms, (one) => hosts[at.get(one.name)!]!, draw);
  const sum = (values: number[]): number => values.reduce((all, value) => all + value, 0);
  const share = (what: 'cpus' | 'memory'): number =>
    sum(vms.map((vm) => vm[what])) / sum(hosts.map((host) => host[what]));
  return { problem: { vms, placed, hosts, datastores: [] }, fullness: Math.max(share('cpus'), share('memory')) };
}

/** Leaves a host little more than its VMs take; hosts without VMs stay small. */
function cutDown(host: PlacementHost, free: { cpus: number; memory: number }, draw: Draw): void {
  host.cpus -= free.cpus;
  host.memory -= Math.max(0, free.memory - draw(2) * 4 * GiB);
  if (host.cpus === 0) host.memory = 0;
}

function rulesFor(
  vm: PlacementVm,
  vms: PlacementVm[],
  hostOf: (vm: PlacementVm) => PlacementHost,
  draw: Draw,
): AffinityTerm[] {
  const rules: AffinityTerm[] = [];
  const count = draw(3);
  for (let look = 0; rules.length < count && look < 20; look++) {
    const over = draw(2) === 0 ? 'host' : 'zone';
    const effect = draw(3) === 0 ? 'Affinity' : 'AntiAffinity';
    const labels: Record<string, string> =
      draw(2) === 0 ? { app: vm.labels['app']! } : { app: `app-${draw(5)}`, tier: ['web', 'db', 'cache'][draw(3)]! };
    const others = vms.filter(
      (other) => other !== vm && Object.entries(labels).every(([key, value]) => other.labels[key] === value),
    );
    if (others.length === 0) continue;
    const place = (one: PlacementVm): string => (over === 'host' ? hostOf(one).name : hostOf(one).zone);
    const near = others.filter((other) => place(other) === place(vm)).length;
    const holds = effect === 'Affinity' ? near > 0 : near === 0;
    const strength: Strength = holds && draw(2) === 0 ? 'Required' : 'Preferred';
    rules.push(rule(effect, over, labels, strength));
  }
  return rules;
}
