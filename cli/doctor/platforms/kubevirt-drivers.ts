/** Who else decides whether VMs of KubeVirt run. Pure. */
import type { KubernetesObject } from '../../../kubernetes';

/** Something that drives VMs. */
export interface OtherDriver {
  /** Such as `VirtualMachinePool`. */
  what: string;
  /** What it does to the VMs. */
  why: string;
  cure: string;
  /** `namespace/name`. */
  vms: string[];
}

/** Field managers that write for vmgroup or KubeVirt, or once for a person. */
const HARMLESS = /^(vmgroup|virt-|kubectl|oc$)/i;
/** Field managers that write again whatever differs from their source. */
const WRITES_AGAIN =
  /argo-?cd|flux|kustomize-controller|helm|terraform|pulumi|crossplane|config-sync|ansible/i;

/** Names, in the order of the VMs. */
export function otherDrivers(vms: readonly KubernetesObject[]): OtherDriver[] {
  const found = new Map<string, OtherDriver>();
  for (const vm of vms) {
    const driver = driverOf(vm);
    if (!driver) continue;
    const { namespace = '', name } = vm.metadata;
    const known = found.get(driver.what) ?? { ...driver, vms: [] };
    known.vms.push(`${namespace}/${name}`);
    found.set(driver.what, known);
  }
  return [...found.values()];
}

function driverOf(vm: KubernetesObject): Omit<OtherDriver, 'vms'> | undefined {
  const { runStrategy } = (vm.spec ?? {}) as { runStrategy?: unknown };
  if (vm.metadata.ownerReferences?.some(({ kind }) => kind === 'VirtualMachinePool'))
    return {
      what: 'a VirtualMachinePool has',
      why: 'it keeps their power state, and vmgroup refuses them',
      cure: 'leave them out of groups',
    };
  if (runStrategy === 'WaitAsReceiver')
    return {
      what: 'a migration is to bring',
      why: 'their runStrategy is WaitAsReceiver, and vmgroup refuses them',
      cure: 'leave them out of groups until they have arrived',
    };
  const manager = vm.metadata.managedFields?.find(writesStrategyAgain)?.manager;
  return manager === undefined
    ? undefined
    : {
        what: `${manager} writes the run strategy of`,
        why: 'a power-off by a group may be undone at its next sync',
        cure: 'let it ignore spec.runStrategy and spec.running of members of groups',
      };
}

type ManagedFields = NonNullable<KubernetesObject['metadata']['managedFields']>[number];

function writesStrategyAgain({ manager = '', operation, subresource, fieldsV1 }: ManagedFields): boolean {
  if (subresource !== undefined || HARMLESS.test(manager)) return false;
  const spec = (fieldsV1 as Record<string, unknown> | undefined)?.['f:spec'];
  if (typeof spec !== 'object' || spec === null) return false;
  // Whose field another one has written since is no longer named for it.
  if (WRITES_AGAIN.test(manager)) return true;
  return operation === 'Apply' && ('f:runStrategy' in spec || 'f:running' in spec);
}
