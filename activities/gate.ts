/**
 * Waits until a VM that is powered on is through its gate.
 *
 * GATE-1: the time that earlier attempts have waited counts, no matter which worker made them.
 * GATE-2: a gate `Probe` is met by answers of the guest to this operation only, whatever was observed before.
 * GATE-3: by the platform's versions, nothing that was observed before the power state was reached meets a gate or is reported: the watch may lag
 *     behind.
 */
import { isLater, isLaterHere, type Probe, type VirtualMachineStatus } from '../api';
import {
  PlatformError,
  virtualMachineKey,
  type Observer,
  type Platform,
  type VirtualMachineState,
} from '../platforms';
import { gateCondition, meetsGate, observedForGate, type PowerInput } from '../contract';
import type { AttemptRun } from './attempts';
import { patienceOf, refuseSuperseded, seconds, type PowerProgress } from './power-progress';
import { Prober, untilProbed } from './probes';
import { Questions } from './questions';
import { waitFor } from './waiting';

/** What a wait for a gate needs. */
export interface GateDependencies {
  platform: Platform;
  /** The shared watch of `platform`. */
  observer: Observer;
  /** Makes the probes of the worker; left out: one for each wait. */
  prober?: Prober;
}

/** A VM that is through its gate. */
export interface GateReached {
  status: VirtualMachineStatus;
  /** What the guest answered, with gate `Probe`. */
  probed?: string;
}

/**
 * Waits for the gate of a VM that has reached its power state; a gate counts on power-on only.
 *
 * @param state What was seen once the power state was reached; undefined: the platform does not have the VM.
 * @throws PlatformError `GateTimeout`, `Superseded`, or `Transient` if the VM has left its power state.
 */
export async function reachGate(
  dependencies: GateDependencies,
  input: PowerInput,
  run: AttemptRun<PowerProgress>,
  state: VirtualMachineState | undefined,
): Promise<GateReached> {
  if (!state) return { status: { powerState: 'PoweredOff', at: Date.now() } };
  const through = ({ status }: VirtualMachineState): GateReached => ({
    status: observedForGate(input.gate, status),
  });
  if (input.powerState !== 'PoweredOn' || meetsGate(input.gate, state.status)) return through(state);
  if (run.progress.reachedAt === undefined) run.note({ ...run.progress, reachedAt: Date.now() });
  const questions = new Questions(dependencies.platform, input, run);
  const isOn = (seen: VirtualMachineState): boolean => {
    questions.see(seen);
    refuseSuperseded(input, seen);
    const isEarlier = isLaterHere(state.status, seen.status);
    if (!isEarlier && seen.status.powerState !== 'PoweredOn') throw leftState(input, seen);
    return true;
  };
  if (input.gate === 'Probe') return probe(dependencies, input, run, state, isOn);
  const { platform, observer } = dependencies;
  const patience = patienceOf(run, 'gate', input.gateTimeout);
  // GATE-3.
  const arrived = (seen: VirtualMachineState): boolean =>
    isOn(seen) && isLater(state.status, seen.status) !== true && meetsGate(input.gate, seen.status);
  const ready = await waitFor(platform, observer, input.vm, patience, arrived);
  if (ready) return through(ready);
  throw gateTimeout(input, (observer.get(input.vm) ?? state).status);
}

/** GATE-2. The VM is watched meanwhile: one that goes off, or that a newer operation has taken over, is no longer asked. */
async function probe(
  { platform, observer, prober = new Prober() }: GateDependencies,
  input: PowerInput,
  run: AttemptRun<PowerProgress>,
  reached: VirtualMachineState,
  isOn: (seen: VirtualMachineState) => boolean,
): Promise<GateReached> {
  const { vm } = input;
  // GATE-3.
  const seen = (): VirtualMachineState => {
    const last = observer.get(vm);
    return last && isLater(reached.status, last.status) !== true ? last : reached;
  };
  const report = platform.guest?.bind(platform, vm);
  const stop = new AbortController();
  const patience = patienceOf(run, 'gate', input.gateTimeout);
  const signal = AbortSignal.any([run.signal, stop.signal]);
  let last = 'nothing was asked';
  const onAnswer = (text: string): void => {
    last = text;
    run.waitFor(text);
  };
  try {
    const answer = await Promise.race([
      untilProbed(probeOf(input), { prober, address: () => seen().status.address, report, onAnswer, signal }),
      waitFor(platform, observer, vm, { ...patience, signal }, (state) => !isOn(state)),
    ]);
    if (answer && 'ok' in answer) {
      if (answer.ok) return { status: observedForGate(input.gate, seen().status), probed: answer.text };
      throw probeFailed(input, `failed ${input.probe?.failureThreshold} times in a row`, last);
    }
  } finally {
    stop.abort();
  }
  throw probeFailed(input, `did not succeed within ${seconds(input.gateTimeout)}`, last);
}

/** @throws PlatformError `Permanent` if there is none: no plan of ours has such a gate. */
function probeOf({ vm, probe: given }: PowerInput): Probe {
  if (given) return given;
  throw new PlatformError('Permanent', `gate Probe of VM ${virtualMachineKey(vm)} has no probe`);
}

function probeFailed({ vm }: PowerInput, how: string, last: string): PlatformError {
  return new PlatformError(
    'GateTimeout',
    `VM ${virtualMachineKey(vm)} is powered on and its probe ${how}; last answer: ${last}`,
  );
}

function gateTimeout(
  { vm, gate, gateTimeout: limit }: PowerInput,
  status: VirtualMachineStatus,
): PlatformError {
  const condition = gateCondition(gate);
  const silent = condition === undefined ? status.ready === undefined : status.conditions === undefined;
  return new PlatformError(
    'GateTimeout',
    `VM ${virtualMachineKey(vm)} is powered on and ${condition === undefined ? 'did not become ready' : `its condition ${condition} did not become True`} within ${seconds(limit)}` +
      (silent ? `; nothing reports its ${condition === undefined ? 'readiness' : 'conditions'}` : ''),
  );
}

function leftState({ vm }: PowerInput, { status }: VirtualMachineState): PlatformError {
  return new PlatformError(
    'Transient',
    `VM ${virtualMachineKey(vm)} went back to ${status.powerState} before it became ready`,
  );
}
