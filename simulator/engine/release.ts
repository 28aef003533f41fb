/** The answer to a call that releases places: PLATFORM-4. */
import type { VirtualMachineRef } from '../../contract';
import type { ReleaseOptions } from '../../platforms';
import type { ReleaseCall } from '../../platforms/simulated';
import { find, journalName, type EngineState, type VmRecord } from './state';

/** The answer to the call at time `at`, as a journal entry. */
export function answerRelease(
  state: EngineState,
  vms: readonly VirtualMachineRef[],
  { caller, sequence }: ReleaseOptions,
  at: number,
): ReleaseCall {
  const answered = vms.map((vm): ReleaseCall['vms'][number] => {
    const record = find(state, vm);
    if (!record) return { ...journalName(vm), answer: 'NoPlace' };
    const message = whyKept(record, caller, sequence);
    return message === undefined
      ? { ...journalName(vm), answer: 'Released' }
      : { ...journalName(vm), answer: 'Kept', message };
  });
  return { type: 'release', at, caller, sequence, vms: answered };
}

function whyKept(record: VmRecord, caller: string, sequence: number): string | undefined {
  const { promised, placedBy, placeSequence = Infinity } = record;
  if (!promised) return 'it has a power operation, or its power was changed at the console';
  if (placedBy !== caller) return `${placedBy} asked for its place`;
  return placeSequence < sequence ? undefined : 'its place was asked for later, or by an older version';
}
