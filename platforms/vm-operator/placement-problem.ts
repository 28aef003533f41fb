/**
 * The problem that VMs of one namespace make for the solver. Pure.
 *
 * VMOPERATOR-6: a VM counts in its zone from the moment at which its place is recorded, through its creation, and for as long as it exists.
 */
import { readResource, ZONE_LABEL, type Placement } from '../../api';
import type { PlacementRequest } from '../../contract';
import type { VirtualMachineObject } from '../../kubernetes';
import {
  STOPPED_BY_CLOCK,
  type Placed,
  type PlacedVm,
  type PlacementAnswer,
  type PlacementProblem,
  type PlacementVm,
} from '../../placement';
import { recordedPlacement } from './annotations';
import { exists, placementOf } from './observe';
import type { Room } from './zone-room';

/** A VM to place. */
export interface Candidate {
  request: PlacementRequest;
  object: VirtualMachineObject;
  /** Its labels and rules where the object does not have them, or not yet. */
  seen?: Pick<PlacementVm, 'labels' | 'affinity'>;
}

/** The problem of placing `fresh` next to the VMs that are there. */
export function problemOf(
  { zones, sizes }: Room,
  fresh: readonly Candidate[],
  there: readonly VirtualMachineObject[],
): PlacementProblem {
  return {
    vms: fresh.map(({ object, request: { vm, memory, zone, optional }, seen = seenByRules(object) }) => ({
      ...vm,
      ...seen,
      cpus: 0,
      memory,
      ...(zone !== undefined && { zone }),
      ...(optional && { optional }),
    })),
    placed: placedVms(there, sizes),
    hosts: [],
    zones,
    datastores: [],
  };
}

/** The labels and affinity rules of a VM; no rules if it cannot be read. */
function seenByRules(object: VirtualMachineObject): Pick<PlacementVm, 'labels' | 'affinity'> {
  const { read } = readResource(object);
  const affinity = read?.kind === 'VirtualMachine' ? read.object.affinity : [];
  return { labels: object.metadata.labels ?? {}, affinity };
}

/** VMOPERATOR-6: the VMs whose zone is known, in order of name: the order of the cache is that of arrival. */
function placedVms(objects: readonly VirtualMachineObject[], sizes: ReadonlyMap<string, number>): PlacedVm[] {
  return objects
    .flatMap((object): PlacedVm[] => {
      const { namespace = '', name, uid = '' } = object.metadata;
      const placement = placeOf(object);
      const memory = sizes.get(object.spec.className ?? '') ?? 0;
      return placement ? [{ namespace, name, uid, ...seenByRules(object), cpus: 0, memory, placement }] : [];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Where a VM is or will be, if that is decided. VM Operator says where it has created a VM only some time after that. */
function placeOf(vm: VirtualMachineObject): Placement | undefined {
  const pin = vm.metadata.labels?.[ZONE_LABEL];
  const pinned = pin === undefined ? undefined : { zoneID: pin };
  const recorded = recordedPlacement(vm);
  return exists(vm) ? (placementOf(vm) ?? pinned ?? recorded) : (recorded ?? pinned);
}

/** The answer if there is no zone; undefined: the solver has to be asked. */
export function answerWithoutZones(
  namespace: string,
  { zones }: Room,
  fresh: readonly Candidate[],
): PlacementAnswer | undefined {
  if (fresh.length === 0 || zones.length > 0) return undefined;
  const search = { steps: 0 };
  const required = fresh.filter(({ request }) => !request.optional);
  if (required.length > 0) {
    const message = noZone(namespace, required);
    return { type: 'Infeasible', message, conflict: { rules: [], minimal: true }, search };
  }
  const unplaced = fresh.map((each) => ({ ...each.request.vm, message: noZone(namespace, [each]) }));
  const score = { total: 1, preferred: { terms: 0, kept: 0, broken: 0, weight: 0 }, spread: 1, load: 1 };
  return { type: 'Placed', placements: [], unplaced, score, rules: [], search };
}

function noZone(namespace: string, vms: readonly Candidate[]): string {
  const names = vms.map(({ request: { vm } }) => `${namespace}/${vm.name}`).join(', ');
  return `no zone is available to namespace ${namespace}, so ${names} cannot be placed; give it a Zone (topology.tanzu.vmware.com)`;
}

/** By uid of a VM: the rules over hosts that vSphere has to keep, and whether the clock ended the search. */
export function notesOf({
  placements,
  rules,
  search,
}: Pick<Placed, 'placements' | 'rules' | 'search'>): Map<string, string> {
  const left = new Map<string, string[]>();
  for (const { vm, path, outcome } of rules)
    if (outcome === 'LeftToPlatform') left.set(vm.uid, [...(left.get(vm.uid) ?? []), path]);
  const notes = new Map(
    [...left].map(([uid, paths]) => [uid, `hosts are left to vSphere: ${paths.join(', ')}`]),
  );
  if (search.stoppedByClock)
    for (const { uid } of placements) {
      const note = notes.get(uid);
      notes.set(uid, note === undefined ? STOPPED_BY_CLOCK : `${note}; ${STOPPED_BY_CLOCK}`);
    }
  return notes;
}
