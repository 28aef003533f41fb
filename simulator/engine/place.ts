/** The answer to a call for placement: PLATFORM-4, ENGINE-2, ENGINE-3. */
import type { Placement } from '../../api';
import type { Neighbour, PlacementRequest } from '../../contract';
import { STOPPED_BY_CLOCK, type PlacementAnswer, type PlacementProblem } from '../../placement';
import { lateCallMessage, type FailureClass } from '../../platforms';
import type { PlaceCall, PlacedVm, SeenByRules } from '../../platforms/simulated';
import { faultMarks, faultOfPlacement, refusalOf } from './faults';
import { placementProblem, placementVm } from './placing';
import { find, journalName, keyOf, releasedBy, seenByRules, type EngineState } from './state';

/** How to place VMs, as the engine takes it. */
export interface EnginePlaceOptions {
  caller: string;
  sequence?: number;
  /** The one host on which to place them. */
  node?: string;
  beside?: readonly Neighbour[];
  /** See `PlaceOptions.seed`. */
  seed?: number;
}

/** The answer to a call for placement, or the problem that the solver has to solve for it. */
export type PlaceReply =
  | { type: 'Answered'; call: PlaceCall }
  | {
      type: 'AskSolver';
      problem: PlacementProblem;
      /** The answer to the call, `at` the time of it. `Error`: the solver failed. */
      conclude: (answer: PlacementAnswer | Error, at: number) => PlaceCall;
    };

/** Answers a call for placement at time `at`, or asks the solver. */
export function answerPlace(
  state: EngineState,
  requests: readonly PlacementRequest[],
  options: EnginePlaceOptions,
  at: number,
): PlaceReply {
  const call = placeCall(state, requests, options, at);
  const fresh = requests.filter(({ vm }) => !find(state, vm));
  const refusal = refusalWithoutSolver(state, call, fresh, options);
  if (refusal) return { type: 'Answered', call: refusal };
  if (fresh.length === 0)
    return { type: 'Answered', call: { ...call, answer: 'Placed', vms: call.vms.map(kept(state)) } };
  const { node, seed } = options;
  return {
    type: 'AskSolver',
    problem: { ...problemOf(state, fresh, call, node), ...(seed !== undefined && { seed }) },
    conclude: (answer, now) => concluded(state, { ...call, at: now }, answer),
  };
}

/** A call for placement before its answer is known. */
type Asked = Omit<PlaceCall, 'answer'>;

function placeCall(
  state: EngineState,
  requests: readonly PlacementRequest[],
  { caller, sequence, beside = [] }: EnginePlaceOptions,
  at: number,
): Asked {
  const vms: PlacedVm[] = requests.map((request) => ({
    ...journalName(request.vm),
    cpus: request.cpus,
    memory: request.memory,
    ...seenByRules(request),
  }));
  const news = beside.flatMap((each) =>
    isNews(state, each) ? [{ ...journalName(each.vm), ...seenByRules(each) }] : [],
  );
  return {
    type: 'place',
    at,
    caller,
    vms,
    ...(sequence !== undefined && { sequence }),
    ...(news.length > 0 && { beside: news }),
  };
}

/** Whether the labels or rules that a caller knows of a VM differ from those on record. */
function isNews(state: EngineState, { vm, ...seen }: Neighbour): boolean {
  const record = find(state, vm);
  return record !== undefined && JSON.stringify(seenByRules(seen)) !== JSON.stringify(seenByRules(record));
}

function refuse(call: Asked, failureClass: FailureClass, message: string): PlaceCall {
  return { ...call, answer: 'Refused', class: failureClass, message };
}

/** The refusal of a call that the solver need not be asked about. */
function refusalWithoutSolver(
  state: EngineState,
  call: Asked,
  fresh: readonly PlacementRequest[],
  { node }: EnginePlaceOptions,
): PlaceCall | undefined {
  const twice = firstRepeated(call.vms);
  if (twice) return refuse(call, 'Permanent', `VM ${twice.vm} is asked for twice in one call`);
  const late = refusalOfLate(state, call);
  if (late) return late;
  for (const { vm } of fresh) {
    const fault = faultOfPlacement(state, vm);
    if (!fault) continue;
    const hit = { faults: faultMarks([fault]), faultVm: keyOf(vm), faultUid: vm.uid };
    return { ...call, answer: 'Refused', ...refusalOf(fault), ...hit };
  }
  if (node === undefined || state.inventory.hosts.some(({ name }) => name === node)) return undefined;
  const names = call.vms.map(({ vm }) => vm).join(', ');
  return refuse(call, 'NoCapacity', `there is no host ${node}, on which ${names} must be placed`);
}

function firstRepeated(vms: readonly PlacedVm[]): PlacedVm | undefined {
  const seen = new Set<string>();
  return vms.find(({ vm }) => {
    if (seen.has(vm)) return true;
    seen.add(vm);
    return false;
  });
}

/** PLATFORM-4: the caller has released the places after it made this call. */
function refusalOfLate(state: EngineState, call: Asked): PlaceCall | undefined {
  const { caller, sequence = Infinity } = call;
  const late = call.vms.find((each) => sequence < releasedBy(state, each, caller));
  if (!late) return undefined;
  const recorded = { sequence: releasedBy(state, late, caller), caller };
  return { ...refuse(call, 'Superseded', lateCallMessage(caller, late.vm)), recorded };
}

/** Fills in the place that a VM has. */
function kept(state: EngineState): (vm: PlacedVm) => PlacedVm {
  return (vm) => {
    const placement: Placement | undefined = state.vms.get(vm.vm)?.placement;
    return { ...vm, ...(placement && { placement }), sticky: true };
  };
}

/** The answer to a call after the solver's. */
function concluded(state: EngineState, call: Asked, answer: PlacementAnswer | Error): PlaceCall {
  if (answer instanceof Error) return refuse(call, 'Permanent', answer.message);
  if (answer.type !== 'Placed') return refuse(call, 'NoCapacity', answer.message);
  const placements = new Map(answer.placements.map(({ uid, placement }) => [uid, placement]));
  const unplaced = new Map(answer.unplaced?.map(({ uid, message }) => [uid, message]));
  return {
    ...call,
    answer: 'Placed',
    ...(answer.search.stoppedByClock && { note: STOPPED_BY_CLOCK }),
    vms: call.vms.map((vm) => {
      const placement = placements.get(vm.vm);
      if (placement) return { ...vm, placement };
      const message = unplaced.get(vm.vm);
      return message === undefined ? kept(state)(vm) : { ...vm, unplaced: message };
    }),
  };
}

/** The problem that the solver gets: `fresh` next to all that is placed. */
function problemOf(
  state: EngineState,
  fresh: readonly PlacementRequest[],
  { vms, beside = [] }: Asked,
  node: string | undefined,
): PlacementProblem {
  const newest = new Map<string, SeenByRules>([...vms, ...beside].map((each) => [each.vm, each]));
  const asked = fresh.map(placementVm);
  const replaced = new Set(asked.map(({ uid }) => uid));
  const placed = [...state.vms].flatMap(([key, record]) => {
    if (replaced.has(key)) return [];
    const { vm, cpus, memory, placement } = record;
    return [{ ...placementVm({ vm, cpus, memory, ...seenByRules(newest.get(key) ?? record) }), placement }];
  });
  const problem = placementProblem(state.inventory, asked, placed);
  if (node === undefined) return problem;
  return { ...problem, hosts: problem.hosts.filter(({ name }) => name === node) };
}
