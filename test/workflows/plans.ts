/** Builds plans for tests of the planner. */
import type { PowerState, VirtualMachineStatus } from '../../api';
import type { Plan, PlanMember, PlanTier } from '../../contract';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;

/** A linked VM that was never seen; `at` places it, so that no placement is needed. */
export function vm(name: string, more: Partial<PlanMember> = {}): PlanMember {
  return { kind: 'VirtualMachine', name, uid: `uid-${name}`, link: 'Linked', ...more };
}

/** A linked VM in a state, placed, observed at `at` and in that state since then. */
export function seen(
  name: string,
  powerState: PowerState,
  at = 0,
  more: Partial<PlanMember> = {},
): PlanMember {
  return vm(name, { observed: status(powerState, at), ...more });
}

/** What a platform observes that counts its versions in milliseconds. */
export function status(powerState: PowerState, at: number, ready?: boolean): VirtualMachineStatus {
  const version = String(at);
  const result: VirtualMachineStatus = {
    powerState,
    at,
    version,
    since: at,
    placement: { zoneID: 'zone-a' },
  };
  if (ready !== undefined) result.ready = ready;
  return result;
}

/** A nested group as a member. */
export function group(plan: Plan, more: Partial<PlanMember> = {}): PlanMember {
  return { kind: 'VirtualMachineGroup', name: plan.name, uid: plan.uid, link: 'Linked', plan, ...more };
}

export function tier(members: PlanMember[], more: Partial<PlanTier> = {}): PlanTier {
  return {
    powerOnDelay: 0,
    powerOffDelay: null,
    gate: 'PoweredOn',
    gateTimeout: 10 * MINUTE,
    whenParked: 'Hold',
    members,
    ...more,
  };
}

export function plan(tiers: PlanTier[], more: Partial<Plan> = {}): Plan {
  return {
    namespace: 'production',
    name: 'shop',
    uid: 'uid-shop',
    revision: 'r1',
    lineage: 'uid-shop',
    generation: 1,
    root: 'shop',
    powerState: 'PoweredOn',
    tiers,
    policy: {
      operationTimeout: 5 * MINUTE,
      retry: { maximumAttempts: 5, initialInterval: 2 * SECOND, maximumInterval: 30 * SECOND },
      maxConcurrentOperations: 50,
      guestShutdownTimeout: 5 * MINUTE,
      drift: { action: 'Enforce', maxCorrections: 3, window: 10 * MINUTE },
      deletion: 'Orphan',
    },
    ...more,
  };
}
