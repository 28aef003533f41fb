/** Where VMs of a vSphere server are looked for by name. Pure. */
import type { VirtualMachineRef } from '../../contract';
import type { Findable } from '../tracked';
import type { VmFacts } from './facts';
import type { Inventory } from './inventory';

/** Where VMs are looked for by name; `{namespace}` stands for the namespace of the manifest. */
export interface Scope {
  /** Path of a VM folder, such as `/DC0/vm/apps/{namespace}`: it and the folders in it. */
  folder?: string;
  /** Path of a resource pool, such as `/DC0/host/C0/Resources/{namespace}`, and the pools in it. */
  pool?: string;
}

/** The VMs of an inventory, those in the scope by their names. */
export function findableIn(inventory: Inventory, scope: Scope): Findable<VmFacts> {
  const { folder, pool } = scope;
  return {
    vms: () => inventory.vms(),
    path: (id) => inventory.path(id),
    mayMean: (ref, { id }) => {
      if (folder !== undefined && !isWithin(inventory.path(id), pathFor(folder, ref))) return false;
      return pool === undefined || isWithin(`${inventory.poolPath(id)}/`, pathFor(pool, ref));
    },
    whereOf: (ref) =>
      Object.entries(scope)
        .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
        .map(([kind, path]) => ` in ${kind} ${pathFor(path, ref)}`)
        .join(''),
  };
}

function pathFor(template: string, { namespace }: VirtualMachineRef): string {
  // A namespace that is no name of a folder leads nowhere.
  const name = namespace.replaceAll('%', '%25').replaceAll('/', '%2f');
  return `/${template.replace(/^\/+|\/+$/g, '').replaceAll('{namespace}', () => name)}`;
}

function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path.startsWith(`${folder}/`);
}

/** Whether a VM is in the scope of some namespace. */
export function isInScope({ folder, pool }: Scope, path: string, poolPath: string): boolean {
  const within = (template: string | undefined, at: string): boolean =>
    template === undefined || patternOf(template).test(at);
  return within(folder, path) && within(pool, `${poolPath}/`);
}

function patternOf(template: string): RegExp {
  const parts = template.replace(/^\/+|\/+$/g, '').split('{namespace}');
  const text = parts.map((part) => part.replace(/[^a-z0-9/]/gi, '\\$&')).join('[^/]+');
  return new RegExp(text === '' ? '^/' : `^/${text}/`, 'u');
}
