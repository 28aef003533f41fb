/**
 * What becomes of an instance as time passes: scheduler, kubelet and virt-handler in one. Pure.
 *
 * KUBEVIRT-STANDIN-3: an instance goes through Pending, Scheduling and Scheduled to Running, and each phase is noted in
 *     `phaseTransitionTimestamps`. An instance on a lost node stays as it is.
 * KUBEVIRT-STANDIN-4: an instance that is deleted runs until its guest has shut down, or its grace period is over.
 */
import type { ObjectCondition } from '../../kubernetes';
import { conditionOf, holds, isFinal, type KubevirtInstance } from '../../platforms/kubevirt';
import { hasFault, SHUTDOWN_TIME, START_TIME, timeOf, type Action, type Facts } from './facts';

/** What happens to the instance now, and when to look again; milliseconds since the epoch. */
export interface InstanceReaction {
  actions: Action[];
  wakeAt?: number;
}

const PHASES = ['Pending', 'Scheduling', 'Scheduled', 'Running'] as const;
/** Seconds; that of a VM whose template names none. */
const GRACE_PERIOD = 30;

/** What becomes of the instance of a VM. */
export function reactionOfInstance(facts: Facts): InstanceReaction {
  const { vmi, nodeLost } = facts;
  if (!vmi) return { actions: [] };
  if (nodeLost) return { actions: lost(vmi) };
  if (vmi.metadata.deletionTimestamp !== undefined) return shutDown(facts, vmi);
  return isFinal(vmi) || vmi.status.phase === 'Running' ? { actions: settle(facts, vmi) } : boot(facts, vmi);
}

function boot(facts: Facts, vmi: KubevirtInstance): InstanceReaction {
  const { vm, since, now, times, node } = facts;
  const phase = vmi.status.phase ?? '';
  const at = PHASES.indexOf(phase as (typeof PHASES)[number]);
  const held = heldAt(facts, at);
  if (held) return { actions: conditionPatch(vmi, held) };
  const next = PHASES[at + 1] ?? 'Running';
  const due = at < 0 ? now : since.phase + timeOf(vm, START_TIME, times.start) / (PHASES.length - 1);
  if (now < due) return { actions: [], wakeAt: due };
  if (next === 'Running' && hasFault(vm, 'Crash')) return { actions: [toPhase(vmi, 'Failed', {})] };
  const more = {
    ...(next === 'Scheduling' && { nodeName: node }),
    ...(next === 'Running' && {
      interfaces: [{ name: 'default', ipAddress: '192.0.2.20' }],
      conditions: runningConditions(facts),
    }),
  };
  return { actions: [{ ...toPhase(vmi, next, more), ...(next === 'Running' && { effect: 'PoweredOn' }) }] };
}

/** Why the instance does not get beyond a phase. */
function heldAt({ vm, now }: Facts, phase: number): ObjectCondition | undefined {
  if (phase === 0 && hasFault(vm, 'MissingPvc')) {
    const message = `PVC ${vm.metadata.namespace}/absent does not exist, waiting for it to appear`;
    return condition('Synchronized', 'False', now, 'FailedPvcNotFound', message);
  }
  if (phase === 1 && hasFault(vm, 'Unschedulable')) {
    const message = '0/2 nodes are available: 2 Insufficient memory.';
    return condition('PodScheduled', 'False', now, 'Unschedulable', message);
  }
  if (phase === 1 && hasFault(vm, 'ImagePull')) {
    const message = 'Back-off pulling image "registry.example/disk:1"';
    return condition('Synchronized', 'False', now, 'ImagePullBackOff', message);
  }
  return undefined;
}

function shutDown({ vm, since, now, times }: Facts, vmi: KubevirtInstance): InstanceReaction {
  if (isFinal(vmi)) return { actions: [{ type: 'patchInstance', patch: { metadata: { finalizers: [] } } }] };
  if (vmi.status.phase !== 'Running') return { actions: [toPhase(vmi, 'Succeeded', {})] };
  const grace = (vmi.spec.terminationGracePeriodSeconds ?? GRACE_PERIOD) * 1_000;
  const isDeaf = hasFault(vm, 'DeafGuest') || holds(vmi, 'Paused');
  const shutdown = isDeaf ? Infinity : timeOf(vm, SHUTDOWN_TIME, times.shutdown);
  const due = since.deletion + Math.min(grace, shutdown);
  if (now < due) return { actions: [], wakeAt: due };
  const phase = shutdown < grace ? 'Succeeded' : 'Failed';
  return { actions: [{ ...toPhase(vmi, phase, {}), effect: 'PoweredOff' }] };
}

/** A node that comes back is ready again. */
function settle(facts: Facts, vmi: KubevirtInstance): Action[] {
  const ready = conditionOf(vmi, 'Ready');
  if (isFinal(vmi) || ready?.status === 'True') return [];
  return conditionPatch(vmi, condition('Ready', 'True', facts.now));
}

function lost(vmi: KubevirtInstance): Action[] {
  if (isFinal(vmi)) return [];
  return conditionPatch(
    vmi,
    condition('Ready', 'False', Date.now(), 'PodTerminating', 'the pod is terminating'),
  );
}

function runningConditions({ vm, vmi, now }: Facts): ObjectCondition[] {
  const kept = (vmi?.status.conditions ?? []).filter(
    ({ type }) => type !== 'Synchronized' && type !== 'PodScheduled',
  );
  return [
    ...kept,
    condition('Ready', 'True', now),
    condition('LiveMigratable', 'True', now),
    ...(hasFault(vm, 'NoAgent') ? [] : [condition('AgentConnected', 'True', now)]),
  ];
}

/** Nothing if the condition says the same already. */
function conditionPatch(vmi: KubevirtInstance, wanted: ObjectCondition): Action[] {
  const present = conditionOf(vmi, wanted.type);
  if (present?.status === wanted.status && (present.message ?? '') === (wanted.message ?? '')) return [];
  const others = (vmi.status.conditions ?? []).filter(({ type }) => type !== wanted.type);
  return [{ type: 'patchInstance', patch: { status: { conditions: [...others, wanted] } } }];
}

function toPhase(
  { status }: KubevirtInstance,
  phase: string,
  more: object,
): Extract<Action, { type: 'patchInstance' }> {
  const stamp = { phase, phaseTransitionTimestamp: new Date().toISOString().replace(/\.\d+Z$/, 'Z') };
  const phaseTransitionTimestamps = [...(status.phaseTransitionTimestamps ?? []), stamp];
  return { type: 'patchInstance', patch: { status: { phase, phaseTransitionTimestamps, ...more } } };
}

/** A condition; KubeVirt writes `null` for times that are not set. */
export function condition(
  type: string,
  status: 'True' | 'False',
  now: number,
  reason = '',
  message = '',
): ObjectCondition {
  const lastTransitionTime = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  return { type, status, lastTransitionTime, reason, message, lastProbeTime: null } as ObjectCondition;
}
