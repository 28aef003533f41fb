/** The state that follows from the journal. */
import { own } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type {
  AnswerCall,
  Effect,
  Failed,
  FaultMark,
  JournalEntry,
  PlaceCall,
  PlacedVm,
  PowerCall,
  ReleaseCall,
  SeenByRules,
} from '../../platforms/simulated';
import { CANCEL } from './questions';
import {
  guestOf,
  seenByRules,
  type EngineState,
  type Ledger,
  type PendingOperation,
  type VmRecord,
} from './state';

/** What an entry changed. */
export interface Changes {
  /** Keys of VMs. */
  changed: string[];
  deleted: VirtualMachineRef[];
}

const NOTHING: Changes = { changed: [], deleted: [] };

const CHANGES_PLACEMENT: ReadonlySet<JournalEntry['type']> = new Set([
  'place',
  'release',
  'deleted',
  'inventory',
]);

/** Folds one entry into the state, and tells what it changed. */
export function apply(state: EngineState, entry: JournalEntry): Changes {
  state.lastAt = Math.max(state.lastAt, entry.at);
  state.entries += 1;
  if (CHANGES_PLACEMENT.has(entry.type)) state.placementVersion += 1;
  const changes = applyEntry(state, entry);
  for (const key of changes.changed) {
    const record = state.vms.get(key);
    if (record) state.vms.set(key, { ...record, version: state.entries });
  }
  return changes;
}

function applyEntry(state: EngineState, entry: JournalEntry): Changes {
  switch (entry.type) {
    case 'call':
      return applyPower(state, entry);
    case 'answer':
      return applyAnswer(state, entry);
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
      return NOTHING;
  }
}

// ---- Power ----------------------------------------------------------------------------------------------------------------------

function applyPower(state: EngineState, call: PowerCall): Changes {
  const ledger = ledgerFor(state, call);
  noteSequence(ledger, call);
  noteHits(ledger, call.faults);
  // A caller that was refused may be about to ask again.
  if (call.class !== 'Superseded') endPromise(state, call);
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
  const record = recordOf(state, call);
  if (!record) return NOTHING;
  const phase = call.answer === 'Accepted' ? 'InProgress' : 'Done';
  state.vms.set(call.vm, {
    ...without(record, 'pending', 'question'),
    operation: { id: call.operationId, sequence: call.sequence, caller: call.caller, phase },
    ...(call.answer === 'Accepted' && { pending: pendingOf(call) }),
    ...(call.question && { question: call.question }),
    ...(call.requestId !== undefined && { requestId: call.requestId }),
  });
  return { changed: [call.vm], deleted: [] };
}

/** From here on the VM is more than a reservation. */
function endPromise(state: EngineState, call: PowerCall): void {
  const record = recordOf(state, call);
  if (record) state.vms.set(call.vm, without(record, 'promised'));
}

function pendingOf(call: PowerCall): PendingOperation {
  return {
    operationId: call.operationId,
    sequence: call.sequence,
    caller: call.caller,
    target: call.operation,
    ...(call.mode && { mode: call.mode }),
    acceptedAt: call.at,
    ...(call.effectAfter !== undefined &&
      (call.question ? { heldFor: call.effectAfter } : { dueAt: call.at + call.effectAfter })),
    ...(call.readyAfter !== undefined && { readyAfter: call.readyAfter }),
  };
}

function applyAnswer(state: EngineState, { at, question, choice, answer, ...named }: AnswerCall): Changes {
  const record = recordOf(state, named);
  if (answer !== 'Accepted' || !record) return NOTHING;
  ledgerFor(state, named).answers[question] = choice;
  const rest = without(record, 'question', 'pending');
  const { pending } = record;
  if (choice === CANCEL && pending) {
    const { operationId: id, sequence, caller } = pending;
    const failure = { class: 'Permanent' as const, message: 'the question was answered with cancel' };
    state.vms.set(named.vm, { ...rest, operation: { id, sequence, caller, phase: 'Failed', failure } });
  } else {
    const { heldFor } = pending ?? {};
    state.vms.set(named.vm, {
      ...rest,
      ...(pending && {
        pending: { ...without(pending, 'heldFor'), ...(heldFor !== undefined && { dueAt: at + heldFor }) },
      }),
    });
  }
  return { changed: [named.vm], deleted: [] };
}

/** ENGINE-1. */
function applyEffect(state: EngineState, effect: Effect): Changes {
  const record = recordOf(state, effect);
  if (!record) return NOTHING;
  const steady = without(record, 'readyAt', 'promised');
  if (effect.effect === 'Ready') {
    state.vms.set(effect.vm, { ...steady, ready: true });
    return { changed: [effect.vm], deleted: [] };
  }
  const { pending } = record;
  const rest = without(steady, 'poweredOnBy', 'pending', 'address', 'question');
  // At the console a VM can reach the state that an operation is still on its way to: then that operation is done.
  const done = pending?.operationId === effect.operationId || pending?.target === effect.effect;
  state.vms.set(effect.vm, {
    ...rest,
    powerState: effect.effect,
    since: effect.at,
    ready: false,
    ...(pending && !done && { pending }),
    ...(done && rest.operation && { operation: { ...rest.operation, phase: 'Done' as const } }),
    ...(effect.readyAfter !== undefined && { readyAt: effect.at + effect.readyAfter }),
    ...poweredOnBy(effect),
    ...addressOf(state, record, effect),
  });
  return { changed: [effect.vm], deleted: [] };
}

/** The address that the guest has once it runs. */
function addressOf(
  { inventory }: EngineState,
  { vm }: VmRecord,
  { effect }: Effect,
): Pick<VmRecord, 'address'> {
  if (effect !== 'PoweredOn') return {};
  const { address } = guestOf(inventory, vm) ?? {};
  return address === undefined ? {} : { address };
}

function poweredOnBy({ effect, operationId, sequence }: Effect): Pick<VmRecord, 'poweredOnBy'> {
  const isOperation = effect === 'PoweredOn' && operationId !== undefined && sequence !== undefined;
  return isOperation ? { poweredOnBy: { operationId, sequence } } : {};
}

function applyFailed(state: EngineState, failed: Failed): Changes {
  const record = recordOf(state, failed);
  if (!record) return NOTHING;
  state.vms.set(failed.vm, {
    ...without(record, 'pending', 'question'),
    operation: {
      id: failed.operationId,
      sequence: failed.sequence,
      ...(record.pending && { caller: record.pending.caller }),
      phase: 'Failed',
      failure: { class: failed.class, message: failed.message },
    },
  });
  return { changed: [failed.vm], deleted: [] };
}

// ---- Places ---------------------------------------------------------------------------------------------------------------------

function applyPlace(state: EngineState, call: PlaceCall): Changes {
  if (call.faults && call.faultVm !== undefined && call.faultUid !== undefined) {
    const ledger = ledgerFor(state, { vm: call.faultVm, uid: call.faultUid });
    ledger.calls += 1;
    noteHits(ledger, call.faults);
  }
  for (const each of call.beside ?? []) noteSeenByRules(state, each);
  if (call.answer === 'Refused') return NOTHING;
  const changes: Changes = { changed: [], deleted: [] };
  for (const vm of call.vms) {
    if (vm.sticky) {
      noteSeenByRules(state, vm);
      noteAskedAgain(state, vm, call);
    } else if (vm.placement) {
      const old = state.vms.get(vm.vm);
      if (old) changes.deleted.push(old.vm);
      state.vms.set(vm.vm, newRecord(vm, vm.placement, call));
      changes.changed.push(vm.vm);
    }
  }
  return changes;
}

function newRecord(
  { vm, uid, cpus, memory, ...asked }: PlacedVm,
  placement: VmRecord['placement'],
  call: PlaceCall,
): VmRecord {
  const [namespace = '', name = ''] = vm.split('/');
  return {
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
    ...seenByRules(asked),
  };
}

/** The last caller that asked for the place of a VM relies on it: only that caller releases it. */
function noteAskedAgain(
  state: EngineState,
  vm: { vm: string; uid: string },
  { caller, sequence }: PlaceCall,
): void {
  const record = recordOf(state, vm);
  if (!record || (sequence ?? Infinity) < (record.placeSequence ?? 0)) return;
  state.vms.set(vm.vm, {
    ...without(record, 'placeSequence'),
    placedBy: caller,
    ...(sequence !== undefined && { placeSequence: sequence }),
  });
}

function applyRelease(state: EngineState, { caller, sequence, vms }: ReleaseCall): Changes {
  const deleted: VirtualMachineRef[] = [];
  for (const each of vms) {
    const ledger = ledgerFor(state, each);
    ledger.released[caller] = Math.max(own(ledger.released, caller) ?? 0, sequence);
    // An earlier power-on that is still on its way must not reach the VM once it is placed again.
    if (each.answer !== 'Kept') noteSequence(ledger, { sequence, caller });
    const record = recordOf(state, each);
    if (each.answer !== 'Released' || !record) continue;
    state.vms.delete(each.vm);
    deleted.push(record.vm);
  }
  return { changed: [], deleted };
}

/** Updates the labels and rules of a VM. */
function noteSeenByRules(state: EngineState, vm: { vm: string; uid: string } & SeenByRules): void {
  const record = recordOf(state, vm);
  if (record) state.vms.set(vm.vm, { ...without(record, 'labels', 'affinity'), ...seenByRules(vm) });
}

// ---- Ledgers --------------------------------------------------------------------------------------------------------------------

function noteSequence(ledger: Ledger, { sequence, caller }: { sequence: number; caller: string }): void {
  if (sequence < ledger.sequence) return;
  ledger.sequence = sequence;
  ledger.caller = caller;
}

function noteHits(ledger: Ledger, faults: readonly FaultMark[] = []): void {
  for (const { key } of faults) ledger.hits[key] = (own(ledger.hits, key) ?? 0) + 1;
}

function ledgerFor(state: EngineState, { vm, uid }: { vm: string; uid: string }): Ledger {
  const key = `${vm}/${uid}`;
  const known = state.ledgers.get(key);
  if (known) return known;
  const ledger: Ledger = {
    sequence: 0,
    caller: '',
    operations: new Set(),
    answers: {},
    calls: 0,
    accepted: 0,
    hits: {},
    released: {},
  };
  state.ledgers.set(key, ledger);
  return ledger;
}

/** The VM that an entry names; undefined for another one of the same name. */
function recordOf(state: EngineState, { vm, uid }: { vm: string; uid: string }): VmRecord | undefined {
  const record = state.vms.get(vm);
  return record?.vm.uid === uid ? record : undefined;
}

function without<T extends object, K extends keyof T>(from: T, ...keys: K[]): Omit<T, K> {
  const copy = { ...from };
  for (const key of keys) delete copy[key];
  return copy;
}
