/**
 * Which VM of a platform each manifest means, where the platform does not know manifests.
 *
 * BINDING-1: a VM is bound to one manifest at most, and a manifest to one VM: what is ambiguous is refused, with its candidates.
 * BINDING-2: a process that knows all manifests leaves the VM of one that is gone to another one.
 */
import { distance } from 'fastest-levenshtein';
import type { VirtualMachineRef } from '../../contract';
import { PlatformError, virtualMachineKey } from '../platform';

/** What VMs are found by. */
export interface FoundVm {
  id: string;
  name: string;
  /** In lower case; empty: it has none. */
  uuid: string;
}

/** The VMs of a platform. */
export interface Findable<T extends FoundVm> {
  vms(): Iterable<T>;
  /** As people write it. */
  path(id: string): string;
  /** Whether a manifest that names nothing but a name may mean this VM. */
  mayMean(ref: VirtualMachineRef, vm: T): boolean;
  /** Where it is looked for then, such as ` in folder /DC0/vm`; empty: everywhere. */
  whereOf(ref: VirtualMachineRef): string;
}

/** Which VM a manifest means, or why that is not known. */
export type Binding<T extends FoundVm> =
  | { vm: T }
  /** There is none. */
  | { missing: string }
  /** There are several, or another manifest has it. */
  | { ambiguous: string };

/** Candidates that a message names. */
const SHOWN = 5;

/** The manifests that a platform tracks, and their VMs. */
export class Bindings<T extends FoundVm> {
  readonly #inventory: Findable<T>;
  readonly #tracked = new Map<string, VirtualMachineRef>();
  /** Keys of the manifests by VM, as they were last bound. */
  readonly #holders = new Map<string, string>();
  /** The VMs by all that may name them, as of the last {@link rebind}. */
  #byLocator = new Map<string, T[]>();

  constructor(inventory: Findable<T>) {
    this.#inventory = inventory;
  }

  /** Adds manifests; one of the same namespace and name is replaced, and returned. `all`: so is each that is not among them. */
  track(refs: readonly VirtualMachineRef[], all = false): VirtualMachineRef[] {
    const replaced = all ? this.#forgetOthers(refs) : [];
    for (const ref of refs) {
      const key = virtualMachineKey(ref);
      const before = this.#tracked.get(key);
      if (before && before.uid === ref.uid && before.locator === ref.locator) continue;
      if (before) replaced.push(before);
      this.#tracked.set(key, ref);
    }
    return replaced;
  }

  #forgetOthers(refs: readonly VirtualMachineRef[]): VirtualMachineRef[] {
    const keys = new Set(refs.map(virtualMachineKey));
    const others = [...this.#tracked].filter(([key]) => !keys.has(key));
    for (const [key] of others) this.#tracked.delete(key);
    return others.map(([, ref]) => ref);
  }

  /** Whether a manifest of that namespace and name is tracked. */
  tracks(ref: VirtualMachineRef): boolean {
    return this.#tracked.has(virtualMachineKey(ref));
  }

  /** The manifest that a VM was last bound to. */
  holder(vm: string): VirtualMachineRef | undefined {
    const key = this.#holders.get(vm);
    return key === undefined ? undefined : this.#tracked.get(key);
  }

  /** All manifests that are bound, by namespace and name, with the ids of their VMs. */
  bound(): Map<string, { vm: string; ref: VirtualMachineRef }> {
    const bound = new Map<string, { vm: string; ref: VirtualMachineRef }>();
    for (const [vm, key] of this.#holders) {
      const ref = this.#tracked.get(key);
      if (ref) bound.set(key, { vm, ref });
    }
    return bound;
  }

  /** Binds all manifests again, after VMs were added, removed, or changed what identifies them. */
  rebind(): void {
    this.#holders.clear();
    this.#byLocator = this.#index();
    for (const [key, ref] of this.#tracked) {
      const [vm, ...others] = this.#found(ref, this.#byLocator);
      if (vm && others.length === 0 && !this.#holders.has(vm.id)) this.#holders.set(vm.id, key);
    }
  }

  /** Whether no VM fits a manifest, as of the last {@link rebind}: {@link resolve} looks through all VMs, and says what is like it. */
  isMissing(ref: VirtualMachineRef): boolean {
    const tracked = this.#tracked.get(virtualMachineKey(ref));
    const isReplaced = tracked !== undefined && tracked.uid !== ref.uid;
    return isReplaced || this.#found(tracked ?? ref, this.#byLocator).length === 0;
  }

  /** Which VM a manifest means. */
  resolve(ref: VirtualMachineRef): Binding<T> {
    const tracked = this.#tracked.get(virtualMachineKey(ref));
    if (tracked && tracked.uid !== ref.uid)
      return { missing: `the manifest with uid ${ref.uid} was replaced by another of that name` };
    const found = this.#found(tracked ?? ref, undefined);
    const [vm, ...others] = found;
    if (!vm) return { missing: this.#missing(ref) };
    if (others.length > 0) return { ambiguous: `${this.#wanted(ref)} are ${this.#list(found)}: ${NAME_IT}` };
    const key = this.#holders.get(vm.id);
    if (key === undefined || key === virtualMachineKey(ref)) return { vm };
    return {
      ambiguous: `${this.#inventory.path(vm.id)} is the VM of the manifest ${key} already: ${NAME_IT}, or restart this process if that manifest is gone`,
    };
  }

  /** Which VM a manifest means. @throws PlatformError `Permanent` where that is ambiguous */
  vmOf(ref: VirtualMachineRef): T | undefined {
    const binding = this.resolve(ref);
    if ('ambiguous' in binding)
      throw new PlatformError('Permanent', `VM ${virtualMachineKey(ref)} is ambiguous: ${binding.ambiguous}`);
    return 'vm' in binding ? binding.vm : undefined;
  }

  #index(): Map<string, T[]> {
    const index = new Map<string, T[]>();
    for (const vm of this.#inventory.vms()) {
      for (const key of keysOf(vm, this.#inventory.path(vm.id)))
        index.set(key, [...(index.get(key) ?? []), vm]);
    }
    return index;
  }

  #found(ref: VirtualMachineRef, index: Map<string, T[]> | undefined): T[] {
    const key = keyOf(ref);
    const candidates = index ? (index.get(key) ?? []) : [...this.#inventory.vms()];
    return candidates.filter((vm) => this.#matches(ref, key, vm));
  }

  #matches(ref: VirtualMachineRef, key: string, vm: T): boolean {
    if (key.startsWith('uuid:')) return vm.uuid !== '' && key === `uuid:${vm.uuid}`;
    if (key.startsWith('path:')) return key === `path:${this.#inventory.path(vm.id)}`;
    return vm.name === ref.name && this.#inventory.mayMean(ref, vm);
  }

  #missing(ref: VirtualMachineRef): string {
    const all = [...this.#inventory.vms()];
    const elsewhere = all.filter(({ name }) => name === ref.name);
    const like = elsewhere.length > 0 ? elsewhere : similar(ref.name, all);
    const hint = like.length > 0 ? `; there is ${this.#list(like)}` : '';
    return `there is no ${this.#wanted(ref)}${hint}`;
  }

  #wanted(ref: VirtualMachineRef): string {
    if (ref.locator?.startsWith('uuid:')) return `VM with UUID ${ref.locator.slice('uuid:'.length)}`;
    if (ref.locator?.startsWith('path:')) return `VM at ${ref.locator.slice('path:'.length)}`;
    return `VM named ${shortened(ref.name)}${this.#inventory.whereOf(ref)}`;
  }

  #list(vms: readonly T[]): string {
    const shown = vms.slice(0, SHOWN).map(({ id, uuid }) => `${this.#inventory.path(id)} (uuid:${uuid})`);
    const more = vms.length > SHOWN ? [`and ${vms.length - SHOWN} more`] : [];
    return [...shown, ...more].join(', ');
  }
}

/** Whether a manifest names a VM by what identifies it. */
export function isNamedBy(ref: VirtualMachineRef, vm: Pick<FoundVm, 'uuid' | 'name'>, path: string): boolean {
  return keysOf(vm, path).includes(keyOf(ref));
}

/** All that a manifest may name a VM by. */
function keysOf({ uuid, name }: Pick<FoundVm, 'uuid' | 'name'>, path: string): string[] {
  return [`uuid:${uuid}`, `name:${name}`, `path:${path}`];
}

const NAME_IT = 'name one in the annotation vmgroup.dev/platform-vm, by uuid: or path:';

function keyOf({ locator, name }: VirtualMachineRef): string {
  if (locator === undefined) return `name:${name}`;
  if (locator.startsWith('uuid:')) return locator.toLowerCase();
  return `path:/${locator.slice('path:'.length).replace(/^\/+/, '')}`;
}

/** Names up to this length are compared; a longer one is no typing mistake. */
const MAX_COMPARED = 80;

function similar<T extends FoundVm>(name: string, vms: readonly T[]): T[] {
  if (name.length > MAX_COMPARED) return [];
  const limit = Math.max(2, Math.floor(name.length / 4));
  return vms.filter((vm) => vm.name.length <= MAX_COMPARED && distance(vm.name, name) <= limit);
}

function shortened(name: string): string {
  return name.length > MAX_COMPARED ? `${name.slice(0, MAX_COMPARED)}...` : name;
}
