/**
 * The objects of a server as its stream reports them: VMs, what they stand in, and their paths. No I/O.
 *
 * VSPHERE-10: a server that cannot read the files of a VM has no configuration of it, and so says nothing of what identifies it. What it said last
 *     stands, so that the VM is still found.
 */
import type { ObjectUpdate } from './stream';
import { drsLevel, factsOf, type Properties, type VmFacts } from './facts';
import { managedObject, type ManagedObject, type XmlElement } from './soap';

interface Known {
  object: ManagedObject;
  properties: Map<string, XmlElement>;
  /** Of a VM, until its properties change. */
  facts?: VmFacts;
}

/** Paths of what identifies a VM in its configuration. */
const LASTING = ['config.instanceUuid', 'config.template'];

/** Most objects between a VM and the root. */
const MAX_DEPTH = 64;

/** Where a VM stands. */
export interface VmPlace {
  /** Name of the cluster, or of the compute resource of a single host. */
  cluster: string;
  host?: string;
}

/** A host, as it can be used. */
export interface InventoryHost {
  id: string;
  name: string;
  /** Name of its cluster, or of its own compute resource. */
  cluster: string;
  /** VMs can be started on it: it is connected, and not in maintenance. */
  usable: boolean;
}

/** All objects known. */
export class Inventory {
  readonly #known = new Map<string, Known>();
  /** By what they stand in; undefined: something has changed. */
  #hosts: Map<string, InventoryHost[]> | undefined;

  /** Takes a change over. Returns the id of the VM that it is about. */
  update({ kind, object, changes }: ObjectUpdate): string | undefined {
    const vm = object.type === 'VirtualMachine' ? object.id : undefined;
    if (vm === undefined) this.#hosts = undefined;
    if (kind === 'leave') {
      this.#known.delete(object.id);
      return vm;
    }
    const known = this.#known.get(object.id)?.properties;
    const lasting = LASTING.map((path) => [path, known?.get(path)] as const);
    const properties = (kind === 'enter' ? undefined : known) ?? new Map<string, XmlElement>();
    for (const [path, value] of changes) {
      if (value) properties.set(path, value);
      else properties.delete(path);
    }
    for (const [path, value] of lasting) if (value && !properties.has(path)) properties.set(path, value);
    this.#known.set(object.id, { object, properties });
    return vm;
  }

  /** Forgets what is not among `listed`; returns the ids of the VMs of those. */
  keep(listed: ReadonlySet<string>): string[] {
    const gone = [...this.#known.values()].filter(({ object }) => !listed.has(object.id));
    for (const { object } of gone) this.#known.delete(object.id);
    this.#hosts = undefined;
    return gone.filter(({ object }) => object.type === 'VirtualMachine').map(({ object }) => object.id);
  }

  /** What is known of a VM; undefined for templates, which are never powered on. */
  vm(id: string): VmFacts | undefined {
    const known = this.#known.get(id);
    if (known?.object.type !== 'VirtualMachine') return undefined;
    known.facts ??= factsOf(id, known.properties);
    return known.facts.template ? undefined : known.facts;
  }

  /** All VMs. */
  *vms(): Generator<VmFacts> {
    for (const id of this.#known.keys()) {
      const facts = this.vm(id);
      if (facts) yield facts;
    }
  }

  /** All objects of a type, with their properties. */
  *objects(type: string): Generator<{ object: ManagedObject; properties: Properties }> {
    for (const { object, properties } of this.#known.values())
      if (object.type === type) yield { object, properties };
  }

  /** A property of an object; undefined: it is unset, or not known. */
  property(id: string, path: string): XmlElement | undefined {
    return this.#known.get(id)?.properties.get(path);
  }

  /** Path of a VM as people write it: `/DC/vm/folder/name`. */
  path(id: string): string {
    return `/${this.#namesUp(id, ['parent', 'parentVApp', 'parentFolder']).join('/')}`;
  }

  /** Path of the resource pool that a VM runs in: `/DC/host/cluster/Resources/pool`. */
  poolPath(id: string): string {
    const pool = this.#reference(id, 'resourcePool');
    return pool === undefined ? '' : `/${this.#namesUp(pool, ['parent']).join('/')}`;
  }

  /** The datacenter of a VM. */
  datacenter(id: string): ManagedObject | undefined {
    return this.#above(id, ['parent', 'parentVApp', 'parentFolder'], 'Datacenter')?.object;
  }

  /** Where a VM runs, or would be powered on. */
  place(id: string): VmPlace | undefined {
    const host = this.#reference(id, 'runtime.host');
    const resource = this.cluster(id);
    if (resource === undefined) return undefined;
    const name = host === undefined ? undefined : this.#name(host);
    return { cluster: this.#name(resource), ...(name !== undefined && name !== '' && { host: name }) };
  }

  /** Automation level of DRS in the cluster of a VM; undefined: it has none. */
  drsLevel(id: string): string | undefined {
    const resource = this.cluster(id);
    return resource === undefined ? undefined : drsLevel(this.#known.get(resource)?.properties);
  }

  /** The hosts of a cluster, or the one of a compute resource. */
  hostsOf(cluster: string | undefined): readonly InventoryHost[] {
    this.#hosts ??= this.#hostsByCluster();
    return cluster === undefined ? [] : (this.#hosts.get(cluster) ?? []);
  }

  #hostsByCluster(): Map<string, InventoryHost[]> {
    const hosts = new Map<string, InventoryHost[]>();
    for (const { object, properties } of this.objects('HostSystem')) {
      const { id } = object;
      const parent = this.#reference(id, 'parent');
      if (parent === undefined) continue;
      const connected = properties.get('runtime.connectionState')?.text === 'connected';
      const usable = connected && properties.get('runtime.inMaintenanceMode')?.text !== 'true';
      const host = { id, name: this.#name(id), cluster: this.#name(parent), usable };
      hosts.set(parent, [...(hosts.get(parent) ?? []), host]);
    }
    return hosts;
  }

  /** Id of the cluster of a VM, or of the compute resource of its single host. */
  cluster(id: string): string | undefined {
    const host = this.#reference(id, 'runtime.host');
    return host === undefined ? undefined : this.#reference(host, 'parent');
  }

  #reference(id: string, path: string): string | undefined {
    return managedObject(this.#known.get(id)?.properties.get(path))?.id;
  }

  #name(id: string): string {
    return this.#known.get(id)?.properties.get('name')?.text ?? '';
  }

  /** Names from the root, which is left out, to an object. */
  #namesUp(id: string, paths: readonly string[]): string[] {
    const names: string[] = [];
    for (const known of this.#ancestors(id, paths)) names.unshift(known.properties.get('name')?.text ?? '');
    return names;
  }

  #above(id: string, paths: readonly string[], type: string): Known | undefined {
    for (const known of this.#ancestors(id, paths)) if (known.object.type === type) return known;
    return undefined;
  }

  /** The object itself first. The root folder is not among them: no view lists its own container. */
  *#ancestors(id: string, paths: readonly string[]): Generator<Known> {
    let at: string | undefined = id;
    for (let depth = 0; at !== undefined && depth < MAX_DEPTH; depth += 1) {
      const known: Known | undefined = this.#known.get(at);
      if (!known) return;
      yield known;
      const from: string = at;
      at = paths.map((path) => this.#reference(from, path)).find((each) => each !== undefined);
    }
  }
}
