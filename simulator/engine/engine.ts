/**
 * The simulated platform as a state machine: its state is the fold of its journal ({@link apply}), and what happens next is decided by
 * pure functions of (state, call or time). No clock, no disk, no chance that could not be repeated.
 *
 * PLATFORM-1: an operation id that was accepted once has one effect at most.
 * PLATFORM-2: a smaller sequence than one seen for that VM is refused.
 * PLACING-1, PLACING-2: what stands on a host never exceeds it, and no required affinity rule is broken by placing (see placing.ts).
 * PLATFORM-4: only promised room is released, and only by who promised it last; a call for placement from before is refused from then on.
 * ENGINE-1: of two operations on a VM only the later one takes effect, also where it came in the middle of the other.
 */
import {
  DEFAULT_INVENTORY,
  own,
  type Placement,
  type PowerMode,
  type PowerState,
  type SimulatedFault,
  type SimulatedInventory,
} from '../../api';
import { STOPPED_BY_CLOCK, type PlacementAnswer, type PlacementProblem } from '../../placement';
import type { FailureClass, PowerRequest, ReleaseOptions, VirtualMachineState } from '../../platforms';
import type { Neighbour, PlacementRequest, VirtualMachineRef } from '../../contract';
import { draw, drawTime } from './dice';
import {
  CONSOLE,
  type Deleted,
  type Effect,
  type Entry,
  type Failed,
  type PlaceCall,
  type PlacedVm,
  PLATFORM,
  type PowerCall,
  type ReleaseCall,
  type SeenByRules,
  type StandingVm,
} from '../../platforms/simulated';
import { placementProblem, placementVm } from './placing';

/** A call for a change of power state, as the engine takes it. */
export interface EnginePowerRequest extends PowerRequest {
  /** See {@link PowerCall.requestId}. */
  requestId?: string;
}

/** How VMs are to be placed, as the engine takes it. */
export interface EnginePlaceOptions {
  caller: string;
  sequence?: number;
  /** The one host on which they are to be. */
  node?: string;
  beside?: readonly Neighbour[];
  /** See `PlaceOptions.seed`. */
  seed?: number;
}

/** What becomes of a call for placement: an answer, or a question to the solver first. */
export type PlaceDecision =
  | { type: 'Answered'; call: PlaceCall }
  | {
      type: 'Ask';
      problem: PlacementProblem;
      /** The answer to the call, `at` the time of it; `Error`: the solver failed. */
      conclude: (answer: PlacementAnswer | Error, at: number) => PlaceCall;
    };

/** An operation on its way. */
export interface Pending {
  operationId: string;
  sequence: number;
  caller: string;
  target: PowerState;
  mode?: PowerMode;
  acceptedAt: number;
  /** Absent: it will never happen. */
  dueAt?: number;
  readyAfter?: number;
}

/** One VM on the platform. Never changed in place. */
export interface VmRecord extends SeenByRules {
  readonly vm: VirtualMachineRef;
  readonly cpus: number;
  readonly memory: number;
  readonly placement: Placement;
  readonly powerState: PowerState;
  readonly since: number;
  readonly ready: boolean;
  readonly readyAt?: number;
  /** The operation that powered it on. */
  readonly poweredOnBy?: { operationId: string; sequence: number };
  readonly operation?: NonNullable<VirtualMachineState['operation']>;
  readonly pending?: Pending;
  /** Who had it placed, or asked last for its place, and in which call of his. */
  readonly placedBy: string;
  readonly placeSequence?: number;
  /** It is room only: nothing was asked of it yet, and nothing has happened to it. */
  readonly promised?: true;
  /** `requestId` of the last accepted operation that had one. */
  readonly requestId?: string;
  /** Entries of the journal up to the last one that changed it. */
  readonly version?: number;
}

/** What was ever asked of a VM; it outlives the VM, so that PLATFORM-1 and PLATFORM-2 do too. */
export interface Ledger {
  /** Greatest sequence seen, and who had it. */
  sequence: number;
  caller: string;
  operations: Set<string>;
  /** Calls that could be hit by a fault. */
  calls: number;
  accepted: number;
  /** Hits of each fault, by its key. */
  hits: Record<string, number>;
  /** Greatest sequence of the calls that gave its place back, by caller. */
  released: Record<string, number>;
}

/** State of the platform. */
export interface EngineState {
  inventory: SimulatedInventory;
  /** By `namespace/name`. */
  vms: Map<string, VmRecord>;
  /** By `namespace/name/uid`. */
  ledgers: Map<string, Ledger>;
  /** Time of the last entry: time never runs backwards in a journal. */
  lastAt: number;
  /** Entries so far. */
  entries: number;
  /** Grows with every entry that can change where VMs may go. */
  rooms: number;
}

/** What an entry changed. */
export interface Touched {
  changed: string[];
  deleted: VirtualMachineRef[];
}

/** A platform without VMs. */
export function emptyState(): EngineState {
  return {
    inventory: DEFAULT_INVENTORY,
    vms: new Map(),
    ledgers: new Map(),
    lastAt: 0,
    entries: 0,
    rooms: 0,
  };
}

/** Names a VM: `namespace/name`. */
export function keyOf(vm: { namespace: string; name: string }): string {
  return `${vm.namespace}/${vm.name}`;
}

/** The VM that `vm` names; not another one of the same name. */
export function find(state: EngineState, vm: VirtualMachineRef): VmRecord | undefined {
  const record = state.vms.get(keyOf(vm));
  return record?.vm.uid === vm.uid ? record : undefined;
}

/** A VM as the platform reports it. */
export function report(record: VmRecord, at: number): VirtualMachineState {
  return {
    vm: record.vm,
    status: {
      powerState: record.powerState,
      ready: record.ready,
      since: record.since,
      at,
      ...(record.version !== undefined && { version: String(record.version) }),
      placement: record.placement,
    },
    ...(record.operation && { operation: record.operation }),
  };
}

/** A VM as it stands on the platform, with what the next placing counts of it. */
export function standing(record: VmRecord, at: number): StandingVm {
  const { cpus, memory } = record;
  return { state: report(record, at), cpus, memory, ...seenOf(record) };
}

// ---- Deciding -------------------------------------------------------------------------------------------------------------------

/** What a call for a change of power state is answered. */
export function decidePower(state: EngineState, request: EnginePowerRequest, at: number): PowerCall {
  const { vm, operation, powerState, mode, caller, requestId } = request;
  const ledger = state.ledgers.get(ledgerKey(vm));
  const record = find(state, vm);
  const call = {
    type: 'call' as const,
    at,
    vm: keyOf(vm),
    uid: vm.uid,
    operation: powerState,
    ...(mode && { mode }),
    operationId: operation.id,
    sequence: operation.sequence,
    caller,
    ...(requestId !== undefined && { requestId }),
    ...(record && { from: record.powerState }),
  };
  if (ledger && operation.sequence < ledger.sequence) {
    const { sequence, caller: holder } = ledger;
    const refusal = refused(call, 'Superseded', supersededMessage(request, ledger));
    return { ...refusal, recorded: { sequence, caller: holder } };
  }
  if (ledger?.operations.has(operation.id)) return { ...call, answer: 'Duplicate' };
  if (!record) return decideAbsent(call, powerState);
  const replaces = record.pending ? { replaces: record.pending.operationId } : {};
  if (record.powerState === powerState) return { ...call, answer: 'AlreadyThere', ...replaces };
  if (powerState === 'Suspended' && record.powerState === 'PoweredOff') {
    return { ...call, answer: 'LeftPoweredOff', ...replaces };
  }
  const hit = faultsThatHit(state, vm, (fault) => hitsPower(fault, request, record));
  const refusal = hit.find((fault) => refusalOf(fault) !== undefined);
  if (refusal) return { ...call, answer: 'Refused', ...refusalOf(refusal), faults: marks([refusal]) };
  return {
    ...call,
    answer: 'Accepted',
    ...duration(state, request, record, hit),
    ...replaces,
    ...(hit.length > 0 && { faults: marks(hit) }),
  };
}

/** Decides on a call for placement at time `at`. */
export function decidePlace(
  state: EngineState,
  requests: readonly PlacementRequest[],
  options: EnginePlaceOptions,
  at: number,
): PlaceDecision {
  const { caller, sequence, node, beside = [], seed } = options;
  const asked: PlacedVm[] = requests.map((request) => ({
    vm: keyOf(request.vm),
    uid: request.vm.uid,
    cpus: request.cpus,
    memory: request.memory,
    ...seenOf(request),
  }));
  const news = beside.flatMap((each) =>
    isNews(state, each) ? [{ ...named(each.vm), ...seenOf(each) }] : [],
  );
  const call = {
    ...{ type: 'place' as const, at, caller, vms: asked },
    ...(sequence !== undefined && { sequence }),
    ...(news.length > 0 && { beside: news }),
  };
  const refuse = (failureClass: FailureClass, message: string): PlaceCall => ({
    ...{ ...call, answer: 'Refused', class: failureClass, message },
  });
  const answered = (answer: PlaceCall): PlaceDecision => ({ type: 'Answered', call: answer });
  const twice = twiceIn(asked);
  if (twice) return answered(refuse('Permanent', `VM ${twice.vm} is asked for twice in one call`));
  const late = asked.find((each) => (sequence ?? Infinity) < releasedBy(state, each, caller));
  if (late) {
    const message = `the places were given back by ${caller} after this call was made, for VM ${late.vm} among others`;
    const recorded = { sequence: releasedBy(state, late, caller), caller };
    return answered({ ...refuse('Superseded', message), recorded });
  }
  const fresh = requests.filter(({ vm }) => !find(state, vm));
  for (const { vm } of fresh) {
    const fault = faultsThatHit(state, vm, hitsPlace)[0];
    if (fault) {
      const hit = { faults: marks([fault]), faultVm: keyOf(vm), faultUid: vm.uid };
      return answered({ ...call, answer: 'Refused', ...refusalOf(fault), ...hit });
    }
  }
  if (node !== undefined && !state.inventory.hosts.some(({ name }) => name === node))
    return answered(
      refuse(
        'NoCapacity',
        `there is no host ${node}, on which ${asked.map(({ vm }) => vm).join(', ')} is to be`,
      ),
    );
  const kept = (vm: PlacedVm): PlacedVm => ({ ...vm, ...stickyPlacement(state, vm.vm), sticky: true });
  if (fresh.length === 0) return answered({ ...call, answer: 'Placed', vms: asked.map(kept) });
  return {
    type: 'Ask',
    problem: { ...problemOf(state, fresh, { ...call, node }), ...(seed !== undefined && { seed }) },
    conclude: (answer, now) => {
      if (answer instanceof Error) return { ...refuse('Permanent', answer.message), at: now };
      if (answer.type !== 'Placed') return { ...refuse('NoCapacity', answer.message), at: now };
      const placements = new Map(answer.placements.map(({ uid, placement }) => [uid, placement]));
      const unplaced = new Map(answer.unplaced?.map(({ uid, message }) => [uid, message]));
      return {
        ...call,
        at: now,
        answer: 'Placed',
        ...(answer.search.stoppedByClock && { note: STOPPED_BY_CLOCK }),
        vms: asked.map((vm) => {
          const placement = placements.get(vm.vm);
          if (placement) return { ...vm, placement };
          const message = unplaced.get(vm.vm);
          return message === undefined ? kept(vm) : { ...vm, unplaced: message };
        }),
      };
    },
  };
}

function twiceIn(asked: readonly PlacedVm[]): PlacedVm | undefined {
  const seen = new Set<string>();
  return asked.find(({ vm }) => {
    if (seen.has(vm)) return true;
    seen.add(vm);
    return false;
  });
}

/** What a call that gives places back is answered; PLATFORM-4. */
export function decideRelease(
  state: EngineState,
  vms: readonly VirtualMachineRef[],
  { caller, sequence }: ReleaseOptions,
  at: number,
): ReleaseCall {
  const answerOf = (vm: VirtualMachineRef): Pick<ReleaseCall['vms'][number], 'answer' | 'message'> => {
    const record = find(state, vm);
    if (!record) return { answer: 'NoPlace' };
    const message = whyKept(record, caller, sequence);
    return message === undefined ? { answer: 'Released' } : { answer: 'Kept', message };
  };
  const answered = vms.map((vm) => ({ ...named(vm), ...answerOf(vm) }));
  return { type: 'release', at, caller, sequence, vms: answered };
}

function whyKept(record: VmRecord, caller: string, sequence: number): string | undefined {
  const { promised, placedBy, placeSequence = Infinity } = record;
  if (!promised) return 'it was asked for power, or changed at the console';
  if (placedBy !== caller) return `${placedBy} asked for its place`;
  return placeSequence < sequence ? undefined : 'its place was asked for later, or by an older version';
}

/** What has come due by `at`, in the order in which it came due. Ask again until it is empty: an effect can bring the next one. */
export function decideDue(state: EngineState, at: number): Effect[] {
  const due: { when: number; effect: Effect }[] = [];
  for (const record of state.vms.values()) {
    const when = dueAt(record);
    if (when !== undefined && when <= at) due.push({ when, effect: effectOf(record, at) });
  }
  return due.sort((a, b) => a.when - b.when).map(({ effect }) => effect);
}

/** When something comes due for this VM; undefined: nothing will. */
export function dueAt(record: VmRecord): number | undefined {
  const operation = record.pending?.dueAt;
  if (operation === undefined) return record.readyAt;
  return record.readyAt === undefined ? operation : Math.min(operation, record.readyAt);
}

/** A person changes a VM's state at the console, at once. Undefined where it is in that state. */
export function decideConsole(
  record: VmRecord,
  state: EngineState,
  powerState: PowerState,
  at: number,
): Effect | undefined {
  if (record.powerState === powerState) return undefined;
  const readyAfter = drawTime(
    state.inventory.behavior.readyTime,
    state.inventory.behavior.seed,
    keyOf(record.vm),
    at,
    'console',
  );
  return {
    type: 'effect',
    at,
    vm: keyOf(record.vm),
    uid: record.vm.uid,
    effect: powerState,
    from: record.powerState,
    caller: CONSOLE,
    ...(powerState === 'PoweredOn' && { readyAfter }),
  };
}

/** The operation in progress fails. Undefined where none is. */
export function decideFailure(
  record: VmRecord,
  failure: { class: FailureClass; message: string },
  at: number,
): Failed | undefined {
  if (!record.pending) return undefined;
  const { operationId, sequence } = record.pending;
  return {
    type: 'failed',
    at,
    vm: keyOf(record.vm),
    uid: record.vm.uid,
    operationId,
    sequence,
    caller: CONSOLE,
    ...failure,
  };
}

/** A VM is deleted. */
export function decideDelete(record: VmRecord, caller: string, at: number): Deleted {
  return { type: 'deleted', at, vm: keyOf(record.vm), uid: record.vm.uid, caller };
}

/** Operations that were ever accepted for a VM: with its uid it names the next one. */
export function acceptedOperations(state: EngineState, vm: VirtualMachineRef): number {
  return state.ledgers.get(ledgerKey(vm))?.operations.size ?? 0;
}

type Call = Pick<
  PowerCall,
  'type' | 'at' | 'vm' | 'uid' | 'operation' | 'operationId' | 'sequence' | 'caller'
>;

function refused(call: Call, failureClass: FailureClass, message: string): PowerCall {
  return { ...call, answer: 'Refused', class: failureClass, message };
}

function supersededMessage({ vm, operation }: PowerRequest, ledger: Ledger): string {
  return `operation ${operation.id} on VM ${keyOf(vm)} has sequence ${operation.sequence}, and ${ledger.sequence} was seen: a newer decision has taken over`;
}

/** A VM that the platform does not have is off; nothing else can be done to it. */
function decideAbsent(call: Call, powerState: PowerState): PowerCall {
  if (powerState === 'PoweredOff') return { ...call, answer: 'AlreadyThere' };
  if (powerState === 'Suspended') return { ...call, answer: 'LeftPoweredOff' };
  return refused(
    call,
    'Permanent',
    `VM ${call.vm} (uid ${call.uid}) was never placed on the platform; place it first`,
  );
}

function duration(
  { inventory: { behavior }, ledgers }: EngineState,
  request: PowerRequest,
  record: VmRecord,
  faults: readonly SimulatedFault[],
): Pick<PowerCall, 'effectAfter' | 'readyAfter'> {
  const has = (type: SimulatedFault['type']): boolean => faults.some((fault) => fault.type === type);
  if (has('Stuck')) return {};
  const factor = faults.reduce(
    (product, fault) => product * (fault.type === 'Slow' ? (fault.factor ?? 1) : 1),
    1,
  );
  const number = ledgers.get(ledgerKey(request.vm))?.accepted ?? 0;
  const time = (name: 'powerOnTime' | 'readyTime' | 'powerOffTime' | 'guestShutdownTime'): number =>
    Math.round(drawTime(behavior[name], behavior.seed, keyOf(request.vm), number, name) * factor);
  if (request.powerState === 'PoweredOn') {
    return { effectAfter: time('powerOnTime'), readyAfter: time('readyTime') };
  }
  const mode = record.powerState === 'PoweredOn' ? (request.mode ?? 'TrySoft') : 'Hard';
  if (mode === 'Hard') return { effectAfter: time('powerOffTime') };
  const guest = has('GuestIgnoresShutdown') ? Infinity : time('guestShutdownTime');
  if (mode === 'Soft') return guest === Infinity ? {} : { effectAfter: guest };
  const { guestShutdownTimeout } = request;
  return { effectAfter: guest <= guestShutdownTimeout ? guest : guestShutdownTimeout + time('powerOffTime') };
}

function effectOf(record: VmRecord, at: number): Effect {
  const { pending, readyAt } = record;
  const base = {
    type: 'effect' as const,
    at,
    vm: keyOf(record.vm),
    uid: record.vm.uid,
    from: record.powerState,
  };
  const readyFirst = readyAt !== undefined && (pending?.dueAt === undefined || readyAt <= pending.dueAt);
  if (pending === undefined || readyFirst) {
    return { ...base, effect: 'Ready', caller: PLATFORM, after: at - record.since, ...record.poweredOnBy };
  }
  return {
    ...base,
    effect: pending.target,
    operationId: pending.operationId,
    sequence: pending.sequence,
    caller: pending.caller,
    after: at - pending.acceptedAt,
    ...(pending.readyAfter !== undefined && { readyAfter: pending.readyAfter }),
  };
}

// ---- Placing --------------------------------------------------------------------------------------------------------------------

/** What is asked of the solver. */
function problemOf(
  state: EngineState,
  fresh: readonly PlacementRequest[],
  { vms, beside = [], node }: Pick<PlaceCall, 'vms' | 'beside'> & { node: string | undefined },
): PlacementProblem {
  const told = new Map<string, SeenByRules>([...vms, ...beside].map((each) => [each.vm, each]));
  const asked = fresh.map(placementVm);
  const replaced = new Set(asked.map(({ uid }) => uid));
  const placed = [...state.vms].flatMap(([key, record]) => {
    if (replaced.has(key)) return [];
    const { vm, cpus, memory, placement } = record;
    return [{ ...placementVm({ vm, cpus, memory, ...seenOf(told.get(key) ?? record) }), placement }];
  });
  const problem = placementProblem(state.inventory, asked, placed);
  if (node === undefined) return problem;
  return { ...problem, hosts: problem.hosts.filter(({ name }) => name === node) };
}

function seenOf({ labels, affinity }: SeenByRules): SeenByRules {
  return { ...(labels && { labels }), ...(affinity && { affinity }) };
}

function named(vm: VirtualMachineRef): { vm: string; uid: string } {
  return { vm: keyOf(vm), uid: vm.uid };
}

/** Whether a caller knows otherwise of a VM that is there. */
function isNews(state: EngineState, { vm, ...seen }: Neighbour): boolean {
  const record = find(state, vm);
  return record !== undefined && JSON.stringify(seenOf(seen)) !== JSON.stringify(seenOf(record));
}

function stickyPlacement(state: EngineState, vm: string): { placement?: Placement } {
  const placement = state.vms.get(vm)?.placement;
  return placement ? { placement } : {};
}

// ---- Faults ---------------------------------------------------------------------------------------------------------------------

function faultsThatHit(
  { inventory: { behavior }, ledgers }: EngineState,
  vm: VirtualMachineRef,
  concerns: (fault: SimulatedFault) => boolean,
): SimulatedFault[] {
  const ledger = ledgers.get(ledgerKey(vm));
  return behavior.faults.filter((fault, index) => {
    if (fault.vm !== undefined && fault.vm !== vm.name && fault.vm !== keyOf(vm)) return false;
    if (!concerns(fault)) return false;
    if (fault.times !== undefined && (own(ledger?.hits, faultKey(fault)) ?? 0) >= fault.times) return false;
    const chance = fault.probability ?? 1;
    return chance >= 1 || draw(behavior.seed, keyOf(vm), ledger?.calls ?? 0, index, 'fault') < chance;
  });
}

function hitsPower(fault: SimulatedFault, request: PowerRequest, record: VmRecord): boolean {
  if (fault.operation !== undefined && fault.operation !== request.powerState) return false;
  const asksGuest =
    request.powerState !== 'PoweredOn' && record.powerState === 'PoweredOn' && request.mode !== 'Hard';
  if (fault.type === 'GuestIgnoresShutdown') return asksGuest;
  if (fault.type === 'NoCapacity') return request.powerState === 'PoweredOn';
  return true;
}

/** Placing has one way to go wrong; the other faults are those of power operations. */
function hitsPlace(fault: SimulatedFault): boolean {
  return fault.type === 'NoCapacity' && fault.operation === undefined;
}

function refusalOf(fault: SimulatedFault): Pick<PowerCall, 'class' | 'message' | 'retryAfter'> | undefined {
  switch (fault.type) {
    case 'TransientError':
      return { class: 'Transient', message: 'simulated fault: the host did not answer' };
    case 'PermanentError':
      return { class: 'Permanent', message: 'simulated fault: the disk of the VM cannot be opened' };
    case 'Throttled':
      return {
        class: 'Throttled',
        message: 'simulated fault: too many requests',
        ...(fault.retryAfter !== undefined && { retryAfter: fault.retryAfter }),
      };
    case 'NoCapacity':
      return { class: 'NoCapacity', message: 'simulated fault: no host has room' };
    case 'Stuck':
    case 'Slow':
    case 'LostReply':
    case 'GuestIgnoresShutdown':
      return undefined;
  }
}

function marks(faults: readonly SimulatedFault[]): NonNullable<PowerCall['faults']> {
  return faults.map((fault) => ({ type: fault.type, key: faultKey(fault) }));
}

/** The same fault in an edited inventory keeps its count. */
function faultKey(fault: SimulatedFault): string {
  return JSON.stringify(fault);
}

// ---- Folding --------------------------------------------------------------------------------------------------------------------

const CHANGES_ROOM: ReadonlySet<Entry['type']> = new Set(['place', 'release', 'deleted', 'inventory']);

/** Folds one entry into the state, and tells what it changed. */
export function apply(state: EngineState, entry: Entry): Touched {
  state.lastAt = Math.max(state.lastAt, entry.at);
  state.entries += 1;
  if (CHANGES_ROOM.has(entry.type)) state.rooms += 1;
  const touched = applyEntry(state, entry);
  for (const key of touched.changed) {
    const record = state.vms.get(key);
    if (record) state.vms.set(key, { ...record, version: state.entries });
  }
  return touched;
}

function applyEntry(state: EngineState, entry: Entry): Touched {
  switch (entry.type) {
    case 'call':
      return applyCall(state, entry);
    case 'effect':
      return applyEffect(state, entry);
    case 'failed':
      return applyFailed(state, entry);
    case 'place':
      return applyPlace(state, entry);
    case 'release':
      return applyRelease(state, entry);
    case 'deleted': {
      const record = state.vms.get(entry.vm);
      state.vms.delete(entry.vm);
      return { changed: [], deleted: record ? [record.vm] : [] };
    }
    case 'inventory':
      state.inventory = entry.inventory;
      return { changed: [], deleted: [] };
  }
}

function applyCall(state: EngineState, call: PowerCall): Touched {
  const ledger = ledgerOf(state, call);
  seen(ledger, call);
  for (const { key } of call.faults ?? []) ledger.hits[key] = (own(ledger.hits, key) ?? 0) + 1;
  // Whoever was refused may be about to ask again.
  if (call.class !== 'Superseded') applyAsked(state, call);
  if (call.answer === 'Refused') {
    if (call.faults) ledger.calls += 1;
    return NOTHING;
  }
  if (call.answer === 'Duplicate') return NOTHING;
  ledger.operations.add(call.operationId);
  if (call.answer === 'Accepted') {
    ledger.calls += 1;
    ledger.accepted += 1;
  }
  const record = state.vms.get(call.vm);
  if (record?.vm.uid !== call.uid) return NOTHING;
  const rest = without(record, 'pending');
  const phase = call.answer === 'Accepted' ? 'InProgress' : 'Done';
  state.vms.set(call.vm, {
    ...rest,
    operation: { id: call.operationId, sequence: call.sequence, caller: call.caller, phase },
    ...(call.answer === 'Accepted' && { pending: pendingOf(call) }),
    ...(call.requestId !== undefined && { requestId: call.requestId }),
  });
  return { changed: [call.vm], deleted: [] };
}

/** Notes the greatest sequence. */
function seen(ledger: Ledger, { sequence, caller }: { sequence: number; caller: string }): void {
  if (sequence < ledger.sequence) return;
  ledger.sequence = sequence;
  ledger.caller = caller;
}

/** The VM is more than promised room from here on. */
function applyAsked(state: EngineState, { vm, uid }: PowerCall): void {
  const record = state.vms.get(vm);
  if (record?.vm.uid === uid) state.vms.set(vm, without(record, 'promised'));
}

function pendingOf(call: PowerCall): Pending {
  return {
    operationId: call.operationId,
    sequence: call.sequence,
    caller: call.caller,
    target: call.operation,
    ...(call.mode && { mode: call.mode }),
    acceptedAt: call.at,
    ...(call.effectAfter !== undefined && { dueAt: call.at + call.effectAfter }),
    ...(call.readyAfter !== undefined && { readyAfter: call.readyAfter }),
  };
}

function applyEffect(state: EngineState, effect: Effect): Touched {
  const record = state.vms.get(effect.vm);
  if (record?.vm.uid !== effect.uid) return NOTHING;
  const steady = without(record, 'readyAt', 'promised');
  if (effect.effect === 'Ready') {
    state.vms.set(effect.vm, { ...steady, ready: true });
    return { changed: [effect.vm], deleted: [] };
  }
  const { pending } = record;
  const rest = without(steady, 'poweredOnBy', 'pending');
  // At the console a state can be reached that an operation is still on its way to: then that operation is done.
  const done = pending?.operationId === effect.operationId || pending?.target === effect.effect;
  state.vms.set(effect.vm, {
    ...rest,
    powerState: effect.effect,
    since: effect.at,
    ready: false,
    ...(pending && !done && { pending }),
    ...(done && rest.operation && { operation: { ...rest.operation, phase: 'Done' as const } }),
    ...(effect.readyAfter !== undefined && { readyAt: effect.at + effect.readyAfter }),
    ...(effect.effect === 'PoweredOn' &&
      effect.operationId !== undefined &&
      effect.sequence !== undefined && {
        poweredOnBy: { operationId: effect.operationId, sequence: effect.sequence },
      }),
  });
  return { changed: [effect.vm], deleted: [] };
}

function applyFailed(state: EngineState, failed: Failed): Touched {
  const record = state.vms.get(failed.vm);
  if (record?.vm.uid !== failed.uid) return NOTHING;
  const rest = without(record, 'pending');
  state.vms.set(failed.vm, {
    ...rest,
    operation: {
      id: failed.operationId,
      sequence: failed.sequence,
      phase: 'Failed',
      failure: { class: failed.class, message: failed.message },
    },
  });
  return { changed: [failed.vm], deleted: [] };
}

function applyPlace(state: EngineState, call: PlaceCall): Touched {
  if (call.faults && call.faultVm !== undefined && call.faultUid !== undefined) {
    const ledger = ledgerOf(state, { vm: call.faultVm, uid: call.faultUid });
    ledger.calls += 1;
    for (const { key } of call.faults) ledger.hits[key] = (own(ledger.hits, key) ?? 0) + 1;
  }
  for (const each of call.beside ?? []) applySeen(state, each);
  if (call.answer === 'Refused') return NOTHING;
  const touched: Touched = { changed: [], deleted: [] };
  for (const { vm, uid, cpus, memory, placement, sticky, ...seen } of call.vms) {
    if (sticky) applySeen(state, { vm, uid, ...seen });
    if (sticky) applyAskedAgain(state, { vm, uid }, call);
    if (sticky || !placement) continue;
    const old = state.vms.get(vm);
    if (old) touched.deleted.push(old.vm);
    const [namespace = '', name = ''] = vm.split('/');
    state.vms.set(vm, {
      vm: { namespace, name, uid },
      cpus,
      memory,
      placement,
      powerState: 'PoweredOff',
      since: call.at,
      ready: false,
      placedBy: call.caller,
      ...(call.sequence !== undefined && { placeSequence: call.sequence }),
      promised: true,
      ...seen,
    });
    touched.changed.push(vm);
  }
  return touched;
}

/** Whoever asks for the place of a VM counts on it: only he gives it back. */
function applyAskedAgain(
  state: EngineState,
  { vm, uid }: { vm: string; uid: string },
  { caller, sequence }: PlaceCall,
): void {
  const record = state.vms.get(vm);
  if (record?.vm.uid !== uid || (sequence ?? Infinity) < (record.placeSequence ?? 0)) return;
  state.vms.set(vm, {
    ...without(record, 'placeSequence'),
    placedBy: caller,
    ...(sequence !== undefined && { placeSequence: sequence }),
  });
}

function applyRelease(state: EngineState, { caller, sequence, vms }: ReleaseCall): Touched {
  const deleted: VirtualMachineRef[] = [];
  for (const each of vms) {
    const ledger = ledgerOf(state, each);
    ledger.released[caller] = Math.max(own(ledger.released, caller) ?? 0, sequence);
    // A power-on of before, which is still on its way, is not to hit the VM once it is placed again.
    if (each.answer !== 'Kept') seen(ledger, { sequence, caller });
    const record = state.vms.get(each.vm);
    if (each.answer !== 'Released' || record?.vm.uid !== each.uid) continue;
    state.vms.delete(each.vm);
    deleted.push(record.vm);
  }
  return { changed: [], deleted };
}

/** The sequence with which a caller last gave the place of a VM back; 0: he never did. */
function releasedBy(state: EngineState, { vm, uid }: { vm: string; uid: string }, caller: string): number {
  return own(state.ledgers.get(`${vm}/${uid}`)?.released, caller) ?? 0;
}

/** What rules see of a VM is now this. */
function applySeen(
  state: EngineState,
  { vm, uid, ...seen }: { vm: string; uid: string } & SeenByRules,
): void {
  const record = state.vms.get(vm);
  if (record?.vm.uid === uid)
    state.vms.set(vm, { ...without(record, 'labels', 'affinity'), ...seenOf(seen) });
}

function without<T extends object, K extends keyof T>(from: T, ...keys: K[]): Omit<T, K> {
  const copy = { ...from };
  for (const key of keys) delete copy[key];
  return copy;
}

const NOTHING: Touched = { changed: [], deleted: [] };

function ledgerKey(vm: VirtualMachineRef): string {
  return `${keyOf(vm)}/${vm.uid}`;
}

function ledgerOf(state: EngineState, { vm, uid }: { vm: string; uid: string }): Ledger {
  const key = `${vm}/${uid}`;
  let ledger = state.ledgers.get(key);
  if (!ledger) {
    ledger = {
      sequence: 0,
      caller: '',
      operations: new Set(),
      calls: 0,
      accepted: 0,
      hits: {},
      released: {},
    };
    state.ledgers.set(key, ledger);
  }
  return ledger;
}
