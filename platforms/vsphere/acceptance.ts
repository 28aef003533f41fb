/**
 * Which operation is carried out: the newest, and none twice.
 *
 * PLATFORM-1, PLATFORM-2: every accepted operation is recorded on the VM before its power is touched, see recorder.ts. The record holds for every
 *     process and outlives each.
 */
import { PlatformError, virtualMachineKey, type PowerRequest, type VirtualMachineState } from '../platform';
import { superseded } from '../superseded';
import { earlierIds, names, Turns, writeRecord } from '../tracked';
import type { VmFacts } from './facts';
import { platformError } from './faults';
import { targetOf, type Ground } from './ground';
import type { Observations } from './observations';
import { Operation } from './operation';
import type { Reading } from './reading';
import type { Recorder } from './recorder';
import { unknownState } from './replies';
import { orAborted, VimFault } from './soap';

/** Tries to write a record for the version of a VM that was read. */
const MAX_WRITES = 5;

/** What {@link Acceptance} works with. */
export interface AcceptanceOptions {
  ground: Ground;
  observations: Observations;
  reading: Reading;
  recorder: Recorder;
  /** A power-off of the VM of this id was accepted. */
  onPowerOff: (id: string) => void;
}

/** Accepts operations. */
export class Acceptance {
  readonly #options: AcceptanceOptions;
  readonly #turns = new Turns();

  constructor(options: AcceptanceOptions) {
    this.#options = options;
  }

  /**
   * Records an operation on the VM of an id, and starts it.
   *
   * @returns the VM as it is then; undefined: it is gone.
   * @throws PlatformError where the server refuses; `Superseded`
   */
  accept(
    id: string,
    request: PowerRequest,
    signal: AbortSignal | undefined,
  ): Promise<VirtualMachineState | undefined> {
    return this.#turns.take(id, () => this.#accept(id, request, signal));
  }

  async #accept(
    id: string,
    request: PowerRequest,
    signal: AbortSignal | undefined,
  ): Promise<VirtualMachineState | undefined> {
    const { reading, observations, onPowerOff } = this.#options;
    const { vm } = request;
    for (let write = 1; ; write += 1) {
      const at = Date.now();
      const fresh = await reading.fetch(vm, id, signal);
      if (!fresh) return undefined;
      if (fresh.power === undefined) throw unknownState(vm, fresh);
      const operation = this.#toCarryOut(fresh, request, fresh.power);
      if (!operation) return reading.stateOf(vm, fresh, at);
      const previous = observations.standings.recordOf(fresh);
      try {
        await this.#record(operation, fresh, signal);
        await orAborted(operation.start(fresh, previous), signal);
        if (request.powerState === 'PoweredOff') onPowerOff(id);
        return reading.stateOf(vm, fresh, Date.now());
      } catch (error: unknown) {
        const stale = error instanceof VimFault && error.fault.type === 'ConcurrentAccess';
        if (!stale || write === MAX_WRITES) throw platformError(error, `VM ${virtualMachineKey(vm)}`);
      }
    }
  }

  /** The operation to carry out; undefined: it was asked for before. @throws PlatformError `Superseded` */
  #toCarryOut(
    fresh: VmFacts,
    request: PowerRequest,
    is: NonNullable<VmFacts['power']>,
  ): Operation | undefined {
    const { ground, observations, recorder } = this.#options;
    const { operations } = observations.standings;
    const own = operations.get(fresh.id);
    const record = observations.standings.recordOf(fresh);
    const newest = own?.recorded && !(record && record.sequence >= own.record.sequence) ? own.record : record;
    if (newest && newest.sequence > request.operation.sequence) throw superseded(request, newest);
    if (names(newest, request.operation.id)) {
      // Its record was written, and then the process got no answer: it went no further.
      return own && own.record.id === request.operation.id && !own.started ? own : undefined;
    }
    const { operation, powerState, caller, mode, guestShutdownTimeout } = request;
    const softly = powerState !== 'PoweredOn' && mode !== 'Hard';
    const next = new Operation(ground, {
      vm: fresh.id,
      request,
      before: recorder.textOf(fresh),
      record: {
        ...operation,
        to: targetOf(powerState, is),
        caller,
        at: Date.now(),
        guest: softly ? guestShutdownTimeout : 0,
        earlier: earlierIds(newest, operation.sequence),
      },
    });
    own?.end();
    operations.set(fresh.id, next);
    return next;
  }

  async #record(operation: Operation, fresh: VmFacts, signal: AbortSignal | undefined): Promise<void> {
    let text: string;
    try {
      text = writeRecord(operation.record, fresh.uuid);
    } catch (error: unknown) {
      throw new PlatformError(
        'Permanent',
        `operation ${operation.record.id} cannot be recorded: ${String(error)}`,
      );
    }
    await this.#options.recorder.write(fresh, text, signal);
    operation.recorded = true;
  }
}

/** VSPHERE-5: an older operation of another process was written over the record of a newer one. */
export async function writeAgain(recorder: Recorder, operation: Operation, facts: VmFacts): Promise<void> {
  if (operation.rewritten >= MAX_WRITES) return;
  operation.rewritten += 1;
  // Should this fail, the next change of the VM brings us here again.
  await recorder.write(facts, writeRecord(operation.record, facts.uuid)).catch(() => undefined);
}
