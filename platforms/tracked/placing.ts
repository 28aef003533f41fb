/**
 * The problem that VMs make for the solver where each can start on some hosts only. Pure.
 *
 * TRACKED-1: a host that a VM cannot start on is a stand-in VM that it keeps away from, so a conflict names the reason. A VM that has a host and
 *     no preferred rule stays there if room and rules let it; if all can, nothing is searched.
 */
import type { AffinityTerm, Placement } from '../../api';
import type { Neighbour, PlacementRequest, VirtualMachineRef } from '../../contract';
import {
  answerWith,
  mistakes,
  type PlacedVm,
  type PlacementAnswer,
  type PlacementHost,
  type PlacementProblem,
  type PlacementVm,
  type VmPlacement,
} from '../../placement';

/** A VM that needs a host. */
export interface Candidate {
  request: PlacementRequest;
  /** Id of the VM on the platform. */
  id: string;
  cpus: number;
  /** Bytes. */
  memory: number;
  /** Hosts that it cannot start on, with the reason. */
  away: ReadonlyMap<string, string>;
  /** The zone that it cannot leave; absent: none. */
  zone?: string;
  /** The host where it is now, though it is off; absent: none. */
  home?: string;
}

/** A VM that has its place. */
export interface Standing {
  id: string;
  name: string;
  placement: Placement;
  /** What it takes of its host. */
  cpus: number;
  /** Bytes. */
  memory: number;
}

/** The world that VMs are placed into. */
export interface World {
  /** Hosts that can be used. */
  hosts: readonly PlacementHost[];
  standing: Iterable<Standing>;
  beside: readonly Neighbour[];
  /** Id of the VM that a manifest means. */
  idOf: (vm: VirtualMachineRef) => string | undefined;
}

/** Label of the stand-in for a host. */
const STANDS_FOR = 'stands-for-host';
/** Namespace of the stand-ins in their uids; they are named by their host. */
const STAND_IN = 'vmgroup-host';
const STAYS = 'it stays on its host';

/** The problem of placing `fresh`. */
export function problemOf(fresh: readonly Candidate[], world: World): PlacementProblem {
  const { hosts } = world;
  const placing = new Set(fresh.map(({ id }) => id));
  const namespaces = new Set(fresh.map(({ request }) => request.vm.namespace));
  return {
    vms: fresh.map(toPlace),
    placed: [...standIns(namespaces, hosts), ...placedOf(world, placing)],
    hosts: [...hosts],
    datastores: [],
  };
}

function toPlace({ request, away, home, zone, cpus, memory }: Candidate): PlacementVm {
  const { vm, labels = {}, affinity = [], zone: pinned = zone, optional } = request;
  const { namespace, name, uid } = vm;
  const stays = home !== undefined && !affinity.some(({ strength }) => strength === 'Preferred');
  return {
    namespace,
    name,
    uid,
    labels,
    cpus,
    memory,
    affinity: [
      ...affinity,
      ...[...away].map(([host, why]) => ofHost('AntiAffinity', namespace, host, why)),
      ...(stays ? [ofHost('Affinity', namespace, home, STAYS)] : []),
    ],
    ...(pinned !== undefined && { zone: pinned }),
    ...(optional && { optional }),
  };
}

/** Away from a host, or with it if that can be. */
function ofHost(effect: AffinityTerm['effect'], namespace: string, host: string, path: string): AffinityTerm {
  return {
    effect,
    path,
    topologyKey: 'kubernetes.io/hostname',
    strength: effect === 'Affinity' ? 'Preferred' : 'Required',
    selector: { matchLabels: { [STANDS_FOR]: `${namespace}/${host}` }, matchExpressions: [] },
  };
}

/** Those that take room, and those that rules are about. */
function placedOf({ standing, beside, idOf }: World, placing: ReadonlySet<string>): PlacedVm[] {
  const neighbours = new Map(beside.map((each) => [idOf(each.vm), each]));
  return [...standing].flatMap(({ id, name, placement, cpus, memory }): PlacedVm[] => {
    if (placing.has(id)) return [];
    const neighbour = neighbours.get(id);
    if (!neighbour && cpus === 0 && memory === 0) return [];
    const { vm = { namespace: '', name, uid: id }, labels = {}, affinity = [] } = neighbour ?? {};
    const { namespace, uid } = vm;
    return [{ namespace, name: vm.name, uid, labels, affinity, cpus, memory, placement }];
  });
}

/** Stand-ins of hosts for VMs of some namespaces: rules select within a namespace. */
function standIns(namespaces: ReadonlySet<string>, hosts: readonly PlacementHost[]): PlacedVm[] {
  return hosts.flatMap(({ name, zone }) =>
    [...namespaces].map((namespace) => ({
      namespace,
      name: `${STAND_IN}/${name}`,
      uid: `${STAND_IN}/${namespace}/${name}`,
      cpus: 0,
      memory: 0,
      affinity: [],
      labels: { [STANDS_FOR]: `${namespace}/${name}` },
      placement: { zoneID: zone, node: name },
    })),
  );
}

/** The answer in which each VM stays on its host; undefined: one has none, has a preferred rule, or cannot stay. */
export function allStaying(
  problem: PlacementProblem,
  fresh: readonly Candidate[],
): PlacementAnswer | undefined {
  const zones = new Map(problem.hosts.map(({ name, zone }) => [name, zone]));
  const placements: VmPlacement[] = [];
  for (const { request, home } of fresh) {
    const { vm, affinity = [] } = request;
    const zoneID = home === undefined ? undefined : zones.get(home);
    if (
      home === undefined ||
      zoneID === undefined ||
      affinity.some(({ strength }) => strength === 'Preferred')
    )
      return undefined;
    const { namespace, name, uid } = vm;
    placements.push({ namespace, name, uid, placement: { zoneID, node: home } });
  }
  return mistakes(problem, placements).length === 0 ? answerWith(problem, placements) : undefined;
}

/** An answer without what became of the rules about stand-ins. */
export function withoutStandIns(answer: PlacementAnswer, fresh: readonly Candidate[]): PlacementAnswer {
  if (answer.type !== 'Placed') return answer;
  const own = new Set([STAYS, ...fresh.flatMap(({ away }) => [...away.values()])]);
  return { ...answer, rules: answer.rules.filter(({ path }) => !own.has(path)) };
}
