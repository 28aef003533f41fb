/**
 * Stands in for VM Operator's VM controller: follows the VirtualMachines of an API server, lets the simulated platform do what they ask
 * for, and drives their status. What to do about one VM is decided in vm-controller-decide.ts; here it is done.
 *
 * STANDIN-1: nothing is done twice, also where this process is killed at any moment: what was accepted stands in the journal, and each decision
 *     starts from it.
 * STANDIN-2: a VM is worked on by one piece of work at a time, and a bounded number of VMs at once; no VM waits for the power operation of another.
 * STANDIN-3: nothing is written where nothing changed, and what others wrote over it is put right.
 * STANDIN-4: whatever an object or the API server brings, the others are worked on.
 */
import { hostname } from 'node:os';
import { readResource } from '../../api';
import {
  KubernetesError,
  EventWriter,
  RESOURCES,
  resourceCache,
  trimVirtualMachine,
  isOlder,
  virtualMachineCache,
  WorkQueue,
  type ApiServer,
  type CacheChange,
  type KubernetesObject,
  type ObjectCondition,
  type VirtualMachineObject,
} from '../../kubernetes';
import { PlatformError } from '../../platforms';
import { type VirtualMachineRef } from '../../contract';
import { APPLY_TIME } from '../../platforms/vm-operator';
import { VM_CONTROLLER } from '../../platforms/simulated';
import { keyOf } from '../engine';
import type { Machine } from '../machine';
import {
  CONDITION,
  decide,
  FIRST_BOOT_DONE,
  GUEST_PATIENCE,
  isWokenBy,
  sightOfGroup,
  toldAs,
  VM_FINALIZER,
  type Act,
  type Decision,
  type Failure,
  type GroupSight,
  type Size,
  type WantedStatus,
} from './decide';
import { publishZones } from './zones';

/** Field manager of everything that is applied. */
export const SIMULATOR_FIELD_MANAGER = 'vmgroup-simulator';

/** What {@link startVmController} needs. */
export interface VmControllerOptions {
  api: ApiServer;
  /** Left out: all namespaces. */
  namespaces?: readonly string[];
  machine: Machine;
  /** Told of what could not be done on the API server; it is tried again. `about` names the object, or the list. */
  onError?: (error: unknown, about: string) => void;
  /** Milliseconds that the guest gets to shut down; left out: VM Operator's five minutes. */
  guestPatience?: number;
}

/** A running controller. */
export interface VmController {
  /** Resolves once every VM was seen; at `stop` too. */
  synced(): Promise<void>;
  stop(): Promise<void>;
}

/** VMs that are worked on at the same time. */
const CONCURRENCY = 32;
/** Milliseconds before the first new try, doubling to the longest: the rate limiter of controller-runtime. */
const FIRST_RETRY = 5;
const LONGEST_RETRY = 1_000_000;
/** Milliseconds between two writes of one Event. */
const EVENT_PAUSE = 2_000;
/** Milliseconds before a write that the API server did not take is tried again. */
const WRITE_RETRY = 1_000;
/** Milliseconds in which an event that is older than our own last write is taken for one that was overtaken by it. */
const OVERTAKEN = 2_000;
/** Most rounds of deciding and doing in one piece of work. */
const ROUNDS = 8;

/** What is remembered of one VM. */
interface Entry {
  /** The newest form seen, of the cache or of an answer to our own write. */
  object: VirtualMachineObject;
  writtenAt: number;
  failures: number;
  /** Not before this time is what failed tried again, milliseconds since the epoch. */
  retryAt?: number;
  refused?: string;
  told?: string;
  /** What was to be written, and what stood there, when that was last tried. */
  attempt?: string;
}

/** Starts at once; an API server that is away is waited for. */
export function startVmController(options: VmControllerOptions): VmController {
  const { api, namespaces, machine, onError = () => undefined, guestPatience = GUEST_PATIENCE } = options;
  const about = (resource: string) => ({
    api,
    ...(namespaces && { namespaces }),
    onBroken: (error: unknown) => onError(error, resource),
    onListenerError: (error: unknown) => onError(error, resource),
  });
  const machines = virtualMachineCache(about('virtualmachines'));
  const groups = resourceCache<GroupSight>({
    ...about('virtualmachinegroups'),
    ...{ resource: RESOURCES.virtualMachineGroups, trim: sightOfGroup, optional: true },
  });
  const classes = resourceCache<Size>({
    ...about('virtualmachineclasses'),
    ...{ resource: RESOURCES.virtualMachineClasses, trim: sizeOf, optional: true },
  });
  const entries = new Map<string, Entry>();
  const used = new Map<string, number>();
  // VM Operator too tells the cause of what does not work in Events on the VM.
  const events = new EventWriter({
    api,
    controller: 'vmgroup.dev/simulator',
    instance: `${hostname().slice(0, 100)}-${process.pid}`,
    pause: EVENT_PAUSE,
    onError: (error) => onError(error, 'events'),
  });
  const zones = publishZones({
    ...{ api, fieldManager: SIMULATOR_FIELD_MANAGER, isUsed: (namespace) => used.has(namespace) },
    ...(namespaces && { namespaces }),
    inventory: () => machine.inventory,
    onError: (error, namespace) => onError(error, `zones of namespace ${namespace}`),
  });
  const queue = new WorkQueue({
    concurrency: CONCURRENCY,
    work,
    onError: (key, error) => onError(error, `VirtualMachine ${key}`),
  });
  const ends: (() => void)[] = [
    machines.onChange(countNamespace),
    groups.onChange(countNamespace),
    machines.onChange(onMachine),
  ];
  let stopped = false;
  const started = Promise.all([machines.synced(), groups.synced(), classes.synced()]).then(start);

  function start(): void {
    if (stopped) return;
    ends.push(
      groups.onChange(onGroup),
      classes.onChange(({ key }) => wakeClass(key)),
      machine.watch({
        changed: ({ vm }) => queue.add(keyOf(vm)),
        deleted: ({ namespace, name }) => queue.add(keyOf({ namespace, name })),
        inventoryChanged: () => [...used.keys()].forEach((namespace) => zones.ensure(namespace)),
      }).end,
    );
    for (const [key] of machines.entries()) queue.add(key);
    for (const vm of machine.placedBy(VM_CONTROLLER)) if (isWatched(vm)) queue.add(keyOf(vm));
  }

  const isWatched = ({ namespace }: VirtualMachineRef): boolean => namespaces?.includes(namespace) ?? true;

  // ---- What wakes a VM ----------------------------------------------------------------------------------------------------------

  function countNamespace({ key, object, previous }: CacheChange<unknown>): void {
    const [namespace = ''] = key.split('/', 1);
    const count = (used.get(namespace) ?? 0) + (object ? 1 : 0) - (previous ? 1 : 0);
    if (count > 0) used.set(namespace, count);
    else used.delete(namespace);
    if (count === 1 && object) zones.ensure(namespace);
  }

  function onMachine({ key, object }: CacheChange<VirtualMachineObject>): void {
    const entry = entries.get(key);
    if (entry && object && object.metadata.uid === entry.object.metadata.uid) adopt(entry, object);
    void started.then(() => queue.add(key));
  }

  /** A change of anything but the status ends a pause, as each event does in VM Operator. */
  function adopt(entry: Entry, object: VirtualMachineObject): void {
    if (isOlder(object, entry.object) && Date.now() - entry.writtenAt < OVERTAKEN) return;
    if (asked(object) !== asked(entry.object)) delete entry.retryAt;
    entry.object = object;
  }

  function onGroup({ key, object }: CacheChange<GroupSight>): void {
    const [namespace = '', group] = key.split('/');
    for (const [name, member] of object?.members ?? []) {
      const vm = machines.get(`${namespace}/${name}`);
      if (vm?.spec.groupName === group && vm && isWokenBy(member, vm)) wake(`${namespace}/${name}`);
    }
  }

  function wakeClass(changed: string): void {
    for (const [key, { metadata, spec, status }] of machines.entries()) {
      if (status.uniqueID === undefined && `${metadata.namespace}/${spec.className}` === changed) wake(key);
    }
  }

  function wake(key: string): void {
    delete entries.get(key)?.retryAt;
    queue.add(key);
  }

  // ---- Work on one VM -----------------------------------------------------------------------------------------------------------

  /** STANDIN-4. */
  async function work(key: string): Promise<void> {
    try {
      const object = machines.get(key);
      await deleteOther(key, object);
      if (object) await reconcile(key, entryOf(key, object));
      else entries.delete(key);
    } catch (error: unknown) {
      // Somebody else changed the object: the watch brings its new form.
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) return;
      onError(error, `VirtualMachine ${key}`);
      const asks = error instanceof KubernetesError ? (error.retryAfter ?? 0) : 0;
      queue.add(key, Math.max(WRITE_RETRY, asks));
    }
  }

  function entryOf(key: string, object: VirtualMachineObject): Entry {
    const known = entries.get(key);
    if (known?.object.metadata.uid === object.metadata.uid) return known as Entry;
    const entry: Entry = { object, writtenAt: 0, failures: 0 };
    entries.set(key, entry);
    return entry;
  }

  /** Deletes the VM of this name that has no object any more: that went without the finalizer, or while nobody looked. */
  async function deleteOther(key: string, object: VirtualMachineObject | undefined): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const found = machine.named({ namespace, name });
    if (!found || found.placedBy !== VM_CONTROLLER || found.vm.uid === object?.metadata.uid) return;
    // An object that the cache cannot read is there all the same.
    const present = object ?? (await api.get(RESOURCES.virtualMachines, { namespace, name }));
    if (present?.metadata.uid !== found.vm.uid) await machine.delete(found.vm, VM_CONTROLLER);
  }

  async function reconcile(key: string, entry: Entry): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) {
      const decision = decide(sightOf(entry));
      if (decision.settled) settle(entry);
      const acts = isHeld(entry) ? decision.acts.filter((act) => !isTry(act)) : decision.acts;
      if (decision.failure && !isHeld(entry)) fail(entry, decision.failure);
      for (const act of acts) await perform(entry, act);
      // What was done shows in the next decision; a status in between would be one that is over.
      if (acts.length > 0 && decision.status && !isHeld(entry)) continue;
      if (decision.status) await writeStatus(entry, decide(sightOf(entry)).status ?? decision.status);
      return lookAgain(key, entry, decision);
    }
    queue.add(key);
  }

  function sightOf({ object, refused, told }: Entry): Parameters<typeof decide>[0] {
    const { namespace = '' } = object.metadata;
    const { groupName, className } = object.spec;
    const found = machine.named(refOf(object));
    return {
      object,
      group: groupName ? groups.get(`${namespace}/${groupName}`) : undefined,
      size: className ? classes.get(`${namespace}/${className}`) : { cpus: 0, memory: 0 },
      machine: found?.vm.uid === object.metadata.uid ? found : undefined,
      ...(refused !== undefined && { refused }),
      ...(told !== undefined && { told }),
      now: Date.now(),
      guestPatience,
    };
  }

  function lookAgain(key: string, { retryAt }: Entry, { wakeAt }: Decision): void {
    const at = Math.min(retryAt ?? Infinity, wakeAt ?? Infinity);
    if (at !== Infinity) queue.add(key, Math.max(at - Date.now(), 1));
  }

  async function perform(entry: Entry, act: Act): Promise<void> {
    const { object } = entry;
    const { finalizers = [] } = object.metadata;
    switch (act.type) {
      case 'addFinalizer':
        return change(entry, { finalizers: [...finalizers, VM_FINALIZER] });
      case 'dropApplyTime':
        return change(entry, { annotations: { [APPLY_TIME]: null } });
      case 'markFirstBoot':
        return change(entry, { annotations: { [FIRST_BOOT_DONE]: 'true' } });
      case 'delete':
        await machine.delete(refOf(object), VM_CONTROLLER);
        if (!finalizers.includes(VM_FINALIZER)) return;
        return change(entry, { finalizers: finalizers.filter((name) => name !== VM_FINALIZER) });
      case 'create':
        return attempt(entry, 'CreateFailure', () => create(entry, act));
      case 'power':
        return attempt(entry, 'UpdateFailure', () => power(entry, act));
    }
  }

  /** Changes metadata, unless somebody else has changed the object since. */
  async function change(entry: Entry, metadata: object): Promise<void> {
    const { namespace = '', name, resourceVersion } = entry.object.metadata;
    const patch = { metadata: { ...metadata, resourceVersion } };
    const answer = await api.merge(RESOURCES.virtualMachines, { namespace, name }, patch, {
      fieldManager: SIMULATOR_FIELD_MANAGER,
    });
    wrote(entry, answer);
  }

  async function create(entry: Entry, act: Act & { type: 'create' }): Promise<void> {
    const { node, ...asked } = act.request;
    await machine.place([{ vm: refOf(entry.object), ...asked }], {
      caller: VM_CONTROLLER,
      ...(node !== undefined && { node }),
    });
    delete entry.refused;
  }

  /** STANDIN-1: the number of what was accepted before, which stands in the journal, makes the id. */
  async function power(entry: Entry, act: Act & { type: 'power' }): Promise<void> {
    const vm = refOf(entry.object);
    const sequence = machine.acceptedOperations(vm);
    const id = `${vm.uid}:${entry.object.metadata.generation ?? 0}:${sequence}`;
    const { lost } = await machine.power({
      ...{ vm, operation: { id, sequence }, guestShutdownTimeout: guestPatience },
      ...act.request,
    });
    if (lost) throw new PlatformError('Transient', 'simulated fault: the answer of the host was lost');
  }

  async function attempt(entry: Entry, reason: Failure['reason'], call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error: unknown) {
      if (!(error instanceof PlatformError)) throw error;
      const message = toldAs(error);
      if (reason === 'CreateFailure') entry.refused = message;
      fail(entry, { reason, message }, error.retryAfter);
    }
  }

  /** Tells of a failure, and puts off the next try. */
  function fail(entry: Entry, { reason, message, id }: Failure, retryAfter = 0): void {
    const pause = Math.min(FIRST_RETRY * 2 ** entry.failures, LONGEST_RETRY);
    entry.failures += 1;
    entry.retryAt = Date.now() + Math.max(pause, retryAfter);
    if (id !== undefined) entry.told = id;
    const action = reason === 'CreateFailure' ? 'Create' : 'Update';
    const about = { action, note: message, subject: message, at: Date.now() };
    events.write(entry.object, { type: 'Warning', reason, ...about });
  }

  // ---- Status -------------------------------------------------------------------------------------------------------------------

  /** STANDIN-3. */
  async function writeStatus(entry: Entry, wanted: WantedStatus): Promise<void> {
    const present = ours(entry.object.status);
    const [goal, stands] = [canonical(wanted), canonical(present)];
    // Where the server keeps what somebody else owns, the same again would change nothing.
    if (goal === stands || entry.attempt === goal + stands) return;
    const { name, namespace, uid } = entry.object.metadata;
    const object = {
      metadata: { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) },
      status: { ...wanted, conditions: timed(wanted.conditions, present.conditions) },
    };
    const answer = await api.apply(RESOURCES.virtualMachines, object, {
      subresource: 'status',
      fieldManager: SIMULATOR_FIELD_MANAGER,
    });
    wrote(entry, answer);
    entry.attempt = goal + canonical(ours(entry.object.status));
  }

  function wrote(entry: Entry, answer: KubernetesObject): void {
    const object = trimVirtualMachine(answer);
    if (isOlder(object, entry.object)) return;
    entry.object = object;
    entry.writtenAt = Date.now();
  }

  return {
    synced: () => started,
    stop: async () => {
      stopped = true;
      for (const end of ends) end();
      await Promise.all([machines.stop(), groups.stop(), classes.stop(), zones.stop()]);
      await Promise.all([queue.stop(), events.stop()]);
    },
  };
}

function refOf({ metadata }: VirtualMachineObject): VirtualMachineRef {
  return { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid ?? '' };
}

/** Undefined for a class that cannot be read. */
function sizeOf(object: KubernetesObject): Size | undefined {
  const { read } = readResource({
    ...object,
    apiVersion: `${RESOURCES.virtualMachineClasses.group}/${RESOURCES.virtualMachineClasses.version}`,
    kind: RESOURCES.virtualMachineClasses.kind,
  });
  return read?.kind === 'VirtualMachineClass'
    ? { cpus: read.object.cpus, memory: read.object.memory }
    : undefined;
}

/** All of an object that says what is wanted of the VM. */
function asked({ metadata, spec }: VirtualMachineObject): string {
  const { labels, annotations, deletionTimestamp } = metadata;
  return JSON.stringify([spec, labels, annotations, deletionTimestamp]);
}

function isTry({ type }: Act): boolean {
  return type === 'create' || type === 'power';
}

function isHeld({ retryAt }: Entry): boolean {
  return retryAt !== undefined && retryAt > Date.now();
}

function settle(entry: Entry): void {
  entry.failures = 0;
  delete entry.retryAt;
  delete entry.told;
}

const OURS: ReadonlySet<string> = new Set(Object.values(CONDITION));

/** Of a status what the controller owns. */
function ours({ uniqueID, zone, nodeName, powerState, conditions = [] }: VirtualMachineObject['status']) {
  const own = conditions.filter(({ type }) => OURS.has(type));
  return { uniqueID, zone, nodeName, powerState, conditions: own };
}

/** A status as one text: without times, and in whatever order the conditions are. */
function canonical({
  uniqueID,
  zone,
  nodeName,
  powerState,
  conditions,
}: ReturnType<typeof ours> | WantedStatus): string {
  const texts = conditions.map(({ type, status, reason, message }) =>
    JSON.stringify([type, status, reason, message ?? '']),
  );
  return JSON.stringify([uniqueID, zone, nodeName, powerState, texts.sort()]);
}

/** Conditions with the times of their transitions: a condition that says what it said keeps its time. */
function timed(wanted: WantedStatus['conditions'], present: readonly ObjectCondition[]): ObjectCondition[] {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  return wanted.map((condition) => {
    const before = present.find(({ type }) => type === condition.type);
    const same =
      before?.status === condition.status &&
      before.reason === condition.reason &&
      (before.message ?? '') === condition.message;
    return { ...condition, lastTransitionTime: (same && before.lastTransitionTime) || now };
  });
}
