/**
 * Which VM of the cluster a manifest means. Pure.
 *
 * Manifests of the same API server have the uid of their VM. Other ones, such as those of a folder, name it: by their own namespace and name, or by
 * the locator `path:NAMESPACE/NAME`.
 */
import type { VirtualMachineRef } from '../../contract';
import { PlatformError, virtualMachineKey } from '../platform';

/**
 * Namespace and name of the VM that a manifest means.
 *
 * @throws PlatformError `Permanent` for a locator that names none
 */
export function targetOf({ namespace, name, locator }: VirtualMachineRef): {
  namespace: string;
  name: string;
} {
  if (locator === undefined) return { namespace, name };
  const [, inNamespace, named] = /^path:\/?([^/\s]+)\/([^/\s]+)$/.exec(locator) ?? [];
  if (inNamespace !== undefined && named !== undefined) return { namespace: inNamespace, name: named };
  throw new PlatformError(
    'Permanent',
    `VM ${virtualMachineKey({ namespace, name })}: KubeVirt's VMs are found by name: write path:NAMESPACE/NAME in the annotation vmgroup.dev/platform-vm`,
  );
}

/** The manifests that a platform tracks. */
export class TrackedNames {
  /** By namespace and name of the VM. */
  readonly #refs = new Map<string, VirtualMachineRef>();

  /** Adds manifests. Returns those that are new, and those whose VM another one has now. */
  track(refs: readonly VirtualMachineRef[]): { added: string[]; replaced: VirtualMachineRef[] } {
    const added: string[] = [];
    const replaced: VirtualMachineRef[] = [];
    for (const ref of refs) {
      const key = targetKey(ref);
      if (key === undefined) continue;
      const before = this.#refs.get(key);
      if (before?.uid === ref.uid && virtualMachineKey(before) === virtualMachineKey(ref)) continue;
      if (before) replaced.push(before);
      this.#refs.set(key, ref);
      added.push(key);
    }
    return { added, replaced };
  }

  /** The manifest that means a VM. */
  of(key: string): VirtualMachineRef | undefined {
    return this.#refs.get(key);
  }
}

/** Namespace and name of the VM that a manifest means, as one text; undefined where its locator names none. */
export function targetKey(ref: VirtualMachineRef): string | undefined {
  try {
    return virtualMachineKey(targetOf(ref));
  } catch {
    return undefined;
  }
}
