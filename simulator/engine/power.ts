/** The answer to a power call. */
import type { PowerState, SimulatedFault } from '../../api';
import type { FailureClass, PowerRequest } from '../../platforms';
import type { PowerCall } from '../../platforms/simulated';
import { drawTime } from './dice';
import { faultMarks, faultsOfPower, refusalOf } from './faults';
import { questionOf } from './questions';
import { find, journalName, keyOf, ledgerOf, type EngineState, type Ledger, type VmRecord } from './state';

/** A call for a change of power state, as the engine takes it. */
export interface EnginePowerRequest extends PowerRequest {
  /** See {@link PowerCall.requestId}. */
  requestId?: string;
}

/** The answer to a power call at time `at`, as a journal entry; PLATFORM-1, PLATFORM-2. */
export function answerPower(state: EngineState, request: EnginePowerRequest, at: number): PowerCall {
  const { vm, operation, powerState, mode, caller, requestId } = request;
  const ledger = ledgerOf(state, vm);
  const record = find(state, vm);
  const call = {
    type: 'call' as const,
    at,
    ...journalName(vm),
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
    const refusal = refuse(call, 'Superseded', supersededMessage(request, ledger));
    return { ...refusal, recorded: { sequence, caller: holder } };
  }
  if (ledger?.operations.has(operation.id)) return { ...call, answer: 'Duplicate' };
  return record ? answerForVm(state, request, record, call) : answerWithoutVm(call);
}

/** A power call before its answer is known. */
type Asked = Omit<PowerCall, 'answer'>;

function answerForVm(
  state: EngineState,
  request: EnginePowerRequest,
  record: VmRecord,
  call: Asked,
): PowerCall {
  const { powerState } = request;
  const replaces = record.pending ? { replaces: record.pending.operationId } : {};
  if (record.powerState === powerState) return { ...call, answer: 'AlreadyThere', ...replaces };
  if (powerState === 'Suspended' && record.powerState === 'PoweredOff')
    return { ...call, answer: 'LeftPoweredOff', ...replaces };
  const faults = faultsOfPower(state, request, record);
  const refusing = faults.find((fault) => refusalOf(fault) !== undefined);
  const asking = faults.find(({ type }) => type === 'Question');
  if (refusing) return { ...call, answer: 'Refused', ...refusalOf(refusing), faults: faultMarks([refusing]) };
  return {
    ...call,
    answer: 'Accepted',
    ...durations(state, request, record, faults),
    ...(asking && { question: questionOf(asking, request.operation.id) }),
    ...replaces,
    ...(faults.length > 0 && { faults: faultMarks(faults) }),
  };
}

/** A VM that the platform does not have is off, and cannot be powered on. */
function answerWithoutVm(call: Asked): PowerCall {
  if (call.operation === 'PoweredOff') return { ...call, answer: 'AlreadyThere' };
  if (call.operation === 'Suspended') return { ...call, answer: 'LeftPoweredOff' };
  return refuse(
    call,
    'Permanent',
    `VM ${call.vm} (uid ${call.uid}) was never placed on the platform; place it first`,
  );
}

function refuse(call: Asked, failureClass: FailureClass, message: string): PowerCall {
  return { ...call, answer: 'Refused', class: failureClass, message };
}

function supersededMessage({ vm, operation }: PowerRequest, ledger: Ledger): string {
  return `operation ${operation.id} on VM ${keyOf(vm)} has sequence ${operation.sequence}, and ${ledger.sequence} was seen: a newer decision has taken over`;
}

type Durations = Pick<PowerCall, 'effectAfter' | 'readyAfter'>;

/** Milliseconds until the effect, and from there until the VM is ready. Without `effectAfter` there never is an effect. */
function durations(
  state: EngineState,
  request: PowerRequest,
  record: VmRecord,
  faults: readonly SimulatedFault[],
): Durations {
  const has = (type: SimulatedFault['type']): boolean => faults.some((fault) => fault.type === type);
  if (has('Stuck')) return {};
  const time = timesOf(state, request, faults);
  if (request.powerState === 'PoweredOn')
    return { effectAfter: time('powerOnTime'), readyAfter: time('readyTime') };
  const mode = modeFrom(record.powerState, request);
  if (mode === 'Hard') return { effectAfter: time('powerOffTime') };
  const guest = has('GuestIgnoresShutdown') ? Infinity : time('guestShutdownTime');
  if (mode === 'Soft') return guest === Infinity ? {} : { effectAfter: guest };
  const { guestShutdownTimeout } = request;
  return { effectAfter: guest <= guestShutdownTimeout ? guest : guestShutdownTimeout + time('powerOffTime') };
}

/** There is a guest to ask only while the VM is on. */
function modeFrom(powerState: PowerState, { mode = 'TrySoft' }: PowerRequest): typeof mode {
  return powerState === 'PoweredOn' ? mode : 'Hard';
}

type TimeName = 'powerOnTime' | 'readyTime' | 'powerOffTime' | 'guestShutdownTime';

/** Draws the times of one operation. */
function timesOf(
  state: EngineState,
  { vm }: PowerRequest,
  faults: readonly SimulatedFault[],
): (name: TimeName) => number {
  const { behavior } = state.inventory;
  const number = ledgerOf(state, vm)?.accepted ?? 0;
  const factor = faults.reduce(
    (product, fault) => product * (fault.type === 'Slow' ? (fault.factor ?? 1) : 1),
    1,
  );
  return (name) => Math.round(drawTime(behavior[name], behavior.seed, keyOf(vm), number, name) * factor);
}
