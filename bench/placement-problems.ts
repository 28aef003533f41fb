/** Problems to place, with seeds: big ones with the rules of real applications, and small ones whose best answer can be proven. */
import type { AffinityTerm } from '../api';
import type { PlacementHost, PlacementProblem, PlacementVm } from '../placement';

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

function machine(
  name: string,
  labels: Record<string, string>,
  draw: Draw,
  affinity: AffinityTerm[],
): PlacementVm {
  const size = SIZES[draw(SIZES.length)]!;
  return { namespace: 'bench', name, uid: name, labels, ...size, affinity };
}

/**
 * `count` VMs in applications of ten: three database replicas in zones of their own, four application servers on hosts of their own,
 * a cache next to one of them, and two web servers that prefer to be apart (in every tenth application that is all the rules there are).
 */
export function applications(
  count: number,
  hostCount: number,
  zoneCount: number,
  seed = 1,
): PlacementProblem {
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
 * Up to 40 VMs on up to 8 hosts in up to 4 zones: applications of databases, servers and caches, put there by chance. Their rules (replicas
 * apart over hosts or zones, a cache next to a server, a server in the zone of its database) are required where they hold there, else
 * preferred. `isTight`: hosts are cut down until over 95 % of the CPUs or the memory are taken.
 */
export function planted(seed: number, isTight: boolean): Planted {
  const draw = drawer(seed);
  const zoneCount = 2 + draw(3);
  const hosts = machines(zoneCount + 1 + draw(8 - zoneCount), zoneCount, 32, 128);
  const free = hosts.map(({ cpus, memory }) => ({ cpus, memory }));
  const at = new Map<PlacementVm, PlacementHost>();
  const most = 10 + draw(31);
  for (let look = 0; at.size < most && look < 200; look++) {
    const labels = { app: `app-${Math.floor(at.size / 9)}`, tier: TIERS[draw(TIERS.length)]! };
    const vm = machine(`vm-${at.size}`, labels, draw, []);
    const host = draw(hosts.length);
    const room = free[host]!;
    if (room.cpus < vm.cpus || room.memory < vm.memory) continue;
    room.cpus -= vm.cpus;
    room.memory -= vm.memory;
    at.set(vm, hosts[host]!);
  }
  const vms = [...at.keys()];
  if (isTight) for (const [index, host] of hosts.entries()) cutDown(host, free[index]!, draw);
  for (const vm of vms) vm.affinity = rulesFor(vm, at, draw);
  const share = (what: 'cpus' | 'memory'): number => sumOf(vms, what) / sumOf(hosts, what);
  return {
    problem: { vms, placed: [], hosts, datastores: [] },
    fullness: Math.max(share('cpus'), share('memory')),
  };
}

const TIERS = ['db', 'db', 'server', 'server', 'server', 'cache'];

function sumOf<K extends string>(all: readonly Record<K, number>[], what: K): number {
  return all.reduce((sum, each) => sum + each[what], 0);
}

/** Leaves a host little more than its VMs take: nothing in CPUs or one more than they need, up to 4 GiB of memory. */
function cutDown(host: PlacementHost, free: { cpus: number; memory: number }, draw: Draw): void {
  host.cpus -= Math.max(0, free.cpus - draw(2));
  host.memory -= Math.max(0, free.memory - draw(2) * 4 * GiB);
}

function rulesFor(vm: PlacementVm, at: Map<PlacementVm, PlacementHost>, draw: Draw): AffinityTerm[] {
  const { app = '', tier = '' } = vm.labels;
  const wished: [AffinityTerm['effect'], 'host' | 'zone', string][] =
    tier === 'cache'
      ? [['Affinity', 'host', 'server']]
      : [
          ['AntiAffinity', Number(app.slice(4)) % 2 === 0 ? 'host' : 'zone', tier],
          ...(tier === 'server' && draw(3) === 0
            ? [['Affinity', 'zone', 'db'] as ['Affinity', 'zone', string]]
            : []),
        ];
  return wished.flatMap(([effect, over, other]) => {
    const labels = { app, tier: other };
    const place = (one: PlacementVm): string => (over === 'host' ? at.get(one)!.name : at.get(one)!.zone);
    const others = [...at.keys()].filter(
      (one) => one !== vm && one.labels['app'] === app && one.labels['tier'] === other,
    );
    if (others.length === 0) return [];
    const near = others.some((one) => place(one) === place(vm));
    return [rule(effect, over, labels, near === (effect === 'Affinity') ? 'Required' : 'Preferred')];
  });
}

/**
 * 16 to 32 VMs of many sizes that fill 4 to 8 hosts in 2 or 3 zones to the last CPU, and nearly all of their memory: a place for all is known
 * to exist. Some exclude each other where they stood, and some prefer what need not hold.
 */
export function packed(seed: number): PlacementProblem {
  const draw = drawer(seed + 10_007);
  const zoneCount = 2 + draw(2);
  const hosts = machines(4 + draw(5), zoneCount, 16, 64);
  const at = new Map<PlacementVm, PlacementHost>();
  for (const host of hosts) {
    const count = 3 + draw(3);
    const cpus = shares(host.cpus, count, 1, draw);
    const memory = shares(64 - draw(2), count, 1, draw);
    for (const [part, cpu] of cpus.entries()) {
      const labels = { app: `app-${draw(4)}`, tier: TIERS[draw(TIERS.length)]! };
      const size = { cpus: cpu, memory: memory[part]! * GiB };
      at.set({ ...machine(`vm-${at.size}`, labels, draw, []), ...size }, host);
    }
  }
  const vms = shuffled([...at.keys()], draw);
  for (const vm of vms) vm.affinity = [...rulesFor(vm, at, draw), ...wishesOf(vm, draw)];
  return { vms, placed: [], hosts, datastores: [] };
}

/** A whole number in parts of at least `least` each. */
function shares(whole: number, count: number, least: number, draw: Draw): number[] {
  const cuts = Array.from({ length: count - 1 }, () => draw(whole - count * least + 1)).sort((a, b) => a - b);
  return [...cuts, whole - count * least].map((cut, at) => cut - (cuts[at - 1] ?? 0) + least);
}

function shuffled<T>(all: T[], draw: Draw): T[] {
  return all
    .map((one) => ({ one, key: draw(1_000_000) }))
    .sort((a, b) => a.key - b.key)
    .map(({ one }) => one);
}

function wishesOf({ labels: { app = '' } }: PlacementVm, draw: Draw): AffinityTerm[] {
  if (draw(3) > 0) return [];
  const effect = draw(2) === 0 ? 'Affinity' : 'AntiAffinity';
  return [
    rule(effect, draw(2) === 0 ? 'host' : 'zone', { app, tier: TIERS[draw(TIERS.length)]! }, 'Preferred'),
  ];
}
