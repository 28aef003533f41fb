/** Runs of our workflow and of the floor over the same VMs, on the same worker. */
import type { WorkflowHandle } from '@temporalio/client';
import {
  type PowerInput,
  applyPlan,
  startOptions,
  WORKFLOW_TYPE,
  type Plan,
  type RunStart,
} from '../contract';
import { plan, tier, vm } from '../test/workflows/plans';
import type { floor } from './floor-workflow';
import type { Lab } from './lab';

/** Names of VMs, tier by tier. */
export type Tiers = string[][];

/** Names for `count` VMs in each of `tiers` tiers. */
export function tiersOf(tiers: number, count: number): Tiers {
  return Array.from({ length: tiers }, (_, tier) =>
    Array.from({ length: count }, (_, index) => `vm-${tier + 1}-${index + 1}`),
  );
}

/** A plan that powers these VMs on, at most `limit` at a time; none of them was placed yet. */
export function planOf(name: string, tiers: Tiers, limit: number): Plan {
  const whole = plan(
    tiers.map((names) => tier(names.map((member) => vm(member)))),
    { namespace: name, name, root: name, uid: name, lineage: name },
  );
  return { ...whole, policy: { ...whole.policy, maxConcurrentOperations: limit } };
}

/** What one run took. */
export interface Timed {
  /** From the call that starts it to its result, milliseconds. */
  took: number;
  handle: WorkflowHandle;
}

/** Runs a plan with our workflow; it places its VMs itself. */
export async function runOurs(lab: Pick<Lab, 'temporal' | 'taskQueue'>, planned: Plan): Promise<Timed> {
  const began = Date.now();
  const handle = await lab.temporal.client.workflow.signalWithStart(WORKFLOW_TYPE, {
    ...startOptions(planned, lab.taskQueue),
    args: [{ namespace: planned.namespace, name: planned.name } satisfies RunStart],
    signal: applyPlan,
    signalArgs: [{ plan: planned, cause: 'SpecChanged' }],
  });
  const result = (await handle.result()) as { outcome: string; message: string };
  const took = Date.now() - began;
  if (result.outcome !== 'Converged')
    throw new Error(`${planned.name}: ${result.outcome}: ${result.message}`);
  return { took, handle };
}

/** Powers VMs on with the floor; they are placed before the clock starts. */
export async function runFloor(lab: Lab, name: string, tiers: Tiers, limit: number): Promise<Timed> {
  const inputs = tiers.map((names) => names.map((member) => inputOf(name, member)));
  const requests = inputs.flat().map(({ vm }) => ({ vm, cpus: 0, memory: 0 }));
  await lab.platform.place(requests, { caller: name });
  const began = Date.now();
  const handle = await lab.temporal.client.workflow.start<typeof floor>('floor', {
    workflowId: `floor/${name}`,
    taskQueue: lab.taskQueue,
    workflowTaskTimeout: '5s',
    args: [inputs, limit],
  });
  await handle.result();
  return { took: Date.now() - began, handle };
}

function inputOf(namespace: string, name: string): PowerInput {
  const { policy, tiers } = plan([tier([vm(name)])]);
  const sequence = Date.now();
  return {
    vm: { namespace, name, uid: `uid-${name}` },
    operation: { id: `power-on/${name}@${sequence}`, sequence },
    powerState: 'PoweredOn',
    gate: 'PoweredOn',
    gateTimeout: tiers[0]?.gateTimeout ?? 0,
    operationTimeout: policy.operationTimeout,
    guestShutdownTimeout: policy.guestShutdownTimeout,
    retry: policy.retry,
    earlier: [],
    caller: `floor/${namespace}`,
  };
}

/** Takes VMs off the platform, so that what was measured before does not slow down what is measured next. */
export async function removeVms(lab: Lab, namespace: string, tiers: Tiers): Promise<void> {
  await Promise.all(tiers.flat().map((name) => lab.console.delete({ namespace, name })));
}
