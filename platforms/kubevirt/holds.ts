/** Why KubeVirt does not get a VM to run: it never gives up, and says in conditions what it waits for. Pure. */
import type { ObjectCondition } from '../../kubernetes';
import type { FailureClass } from '../platform';
import { conditionOf, type KubevirtInstance, type KubevirtMachine } from './objects';

/** What holds a VM back. */
export interface Hold {
  text: string;
  /** What an attempt fails with whose time is over meanwhile; absent: with that. */
  class?: FailureClass;
}

/** Printed states of a VM whose disks are being filled, which takes minutes to hours. */
const FILLING: readonly string[] = ['WaitingForVolumeBinding', 'Provisioning'];
/** Reasons and messages of errors that stay: of admission, quotas apart, and of rights. */
const STAYS = /invalid|forbidden|denied/i;
const QUOTA = /exceeded quota/i;

/** What holds the start of a VM back, in KubeVirt's words; undefined: nothing is seen. */
export function startHold(vm: KubevirtMachine, vmi: KubevirtInstance | undefined): Hold | undefined {
  const { printableStatus = '', startFailure } = vm.status;
  const said = vmi && sayingOf(vmi);
  if (said) return said;
  if (FILLING.includes(printableStatus)) return { text: `KubeVirt: ${printableStatus}` };
  if (printableStatus === 'DataVolumeError') {
    const why = conditionOf(vm, 'DataVolumesReady')?.message;
    return { text: `KubeVirt: DataVolumeError${why ? `: ${why}` : ''}`, class: 'Permanent' };
  }
  const failed = conditionOf(vm, 'Failure');
  if (failed?.status === 'True') return fromMessage('Failure', failed);
  if (startFailure) {
    const { consecutiveFailCount = 1, retryAfterTimestamp } = startFailure;
    const next = retryAfterTimestamp === undefined ? '' : `; KubeVirt tries again at ${retryAfterTimestamp}`;
    return {
      text: `CrashLoopBackOff: it ended before it ran ${consecutiveFailCount} times in a row${next}`,
      class: 'Transient',
    };
  }
  return undefined;
}

function sayingOf(vmi: KubevirtInstance): Hold | undefined {
  const scheduled = conditionOf(vmi, 'PodScheduled');
  if (scheduled?.status === 'False')
    return { ...fromMessage('PodScheduled', scheduled), class: 'NoCapacity' };
  const synchronized = conditionOf(vmi, 'Synchronized');
  return synchronized?.status === 'False' ? fromMessage('Synchronized', synchronized) : undefined;
}

function fromMessage(type: string, { reason, message }: ObjectCondition): Hold {
  const text = [type, reason, message].filter(Boolean).join(': ');
  if (QUOTA.test(text)) return { text: `KubeVirt: ${text}`, class: 'NoCapacity' };
  return { text: `KubeVirt: ${text}`, class: STAYS.test(text) ? 'Permanent' : 'Transient' };
}
