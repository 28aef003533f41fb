/** What we record on a VM of KubeVirt: the last operation, and the run strategy that it had before it was halted. */
import type { KubernetesObject } from '../../kubernetes';
import {
  ownAnnotation,
  OPERATION_ANNOTATION,
  recordedOperation,
  type RecordedOperation,
} from '../on-kubernetes';
import type { RunStrategy } from './objects';

/** The run strategy that the VM had when an operation halted it; JSON. Absent: `Always`. */
export const KEPT_STRATEGY = 'vmgroup.dev/run-strategy';

/** What {@link OPERATION_ANNOTATION} says of an operation on a VM of KubeVirt. */
export interface KubevirtOperation extends RecordedOperation {
  /** Uid of the instance to stop or pause. */
  vmi?: string;
  /** Seconds that its guest gets to shut down; absent: as the VM itself says. */
  grace?: number;
  /** `stop`, which knows the grace period, is to write `Halted`. */
  byStop?: true;
  /** The action that the operation needs was asked for. */
  asked?: true;
}

/** Reads {@link OPERATION_ANNOTATION}; undefined unless a worker wrote it for this VM. */
export function recordedOperationOf(vm: KubernetesObject): KubevirtOperation | undefined {
  const recorded = recordedOperation(vm);
  if (!recorded) return undefined;
  const { vmi, grace, byStop, asked } = ownAnnotation(vm, OPERATION_ANNOTATION) ?? {};
  return {
    ...recorded,
    ...(typeof vmi === 'string' && { vmi }),
    ...(typeof grace === 'number' && Number.isInteger(grace) && grace >= 0 && { grace }),
    ...(byStop === true && { byStop }),
    ...(asked === true && { asked }),
  };
}

const KEPT: readonly string[] = ['Always', 'RerunOnFailure', 'Once'] satisfies RunStrategy[];

/** The strategy to go back to. */
export function keptStrategy(vm: KubernetesObject): string {
  const { runStrategy } = ownAnnotation(vm, KEPT_STRATEGY) ?? {};
  return typeof runStrategy === 'string' && KEPT.includes(runStrategy) ? runStrategy : 'Always';
}

/** The text of {@link KEPT_STRATEGY}; null: none is needed. */
export function keptText(uid: string | undefined, runStrategy: string): string | null {
  return runStrategy === 'Always' ? null : JSON.stringify({ uid, runStrategy });
}
