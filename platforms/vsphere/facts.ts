/** What a server says of one object of its inventory, read from its properties. Pure. */
import type { PowerState } from '../../api';
import type { Question } from '../platform';
import { child, childrenOf, managedObject, textOf, type ManagedObject, type XmlElement } from './soap';

/** Properties of an object by path; a path that the server has not set is absent. */
export type Properties = ReadonlyMap<string, XmlElement>;

/** Key of our record in a VM's `extraConfig`. */
const RECORD_KEY = 'vmgroup.operation';
/** Name of the custom attribute that holds our record. */
export const RECORD_ATTRIBUTE = 'vmgroup.operation';
/** Name of the custom attribute, and key in `extraConfig`, of the place that a VM was promised. */
export const PLACE_ATTRIBUTE = 'vmgroup.place';

const EXTRA_CONFIG = `config.extraConfig["${RECORD_KEY}"]`;
const EXTRA_PLACE = `config.extraConfig["${PLACE_ATTRIBUTE}"]`;

/** Paths that are read of each VM. */
export const VM_PATHS = [
  ...['name', 'parent', 'parentVApp', 'resourcePool', 'config.instanceUuid', 'config.template'],
  ...['config.changeVersion', EXTRA_CONFIG, EXTRA_PLACE, 'customValue', 'recentTask', 'guestHeartbeatStatus'],
  ...['summary.config.numCpu', 'summary.config.memorySizeMB', 'datastore', 'network'],
  ...[
    'runtime.powerState',
    'runtime.connectionState',
    'runtime.question',
    'runtime.host',
    'runtime.bootTime',
  ],
  ...['guest.toolsRunningStatus', 'guest.guestState', 'guest.ipAddress'],
] as const;

/** Paths that are read of the objects that VMs stand in. */
export const FRAME_PATHS: Readonly<Record<string, readonly string[]>> = {
  Folder: ['name', 'parent'],
  Datacenter: ['name', 'parent'],
  ResourcePool: ['name', 'parent'],
  VirtualApp: ['name', 'parent', 'parentFolder'],
  ComputeResource: ['name', 'parent'],
  ClusterComputeResource: ['name', 'parent', 'configurationEx'],
  HostSystem: ['name', 'parent', 'runtime.connectionState', 'runtime.inMaintenanceMode'],
};

/** What is known of one VM. */
export interface VmFacts {
  id: string;
  name: string;
  /** Instance UUID, in lower case; empty: the server does not say. */
  uuid: string;
  template: boolean;
  /** Undefined: the server does not know it now, see `connection`. */
  power: PowerState | undefined;
  /** `connected`, or why the server cannot know the VM's state. */
  connection: string;
  question: Question | undefined;
  host: string | undefined;
  /** Whether VMware Tools run. */
  tools: boolean;
  /** Whether the heartbeat of VMware Tools arrives. */
  heartbeat: boolean;
  address: string | undefined;
  /** Values of custom attributes by key. */
  attributes: ReadonlyMap<string, string>;
  /** Our records in `extraConfig`, by key. */
  extra: ReadonlyMap<string, string>;
  changeVersion: string | undefined;
  recentTasks: readonly string[];
  /** When it was powered on, milliseconds since the epoch by the server's clock. */
  bootTime: number | undefined;
  cpus: number;
  /** Bytes. */
  memory: number;
  /** Ids of the datastores and networks that it uses. */
  needs: readonly string[];
}

const POWER_STATES: ReadonlyMap<string, PowerState> = new Map([
  ['poweredOn', 'PoweredOn'],
  ['poweredOff', 'PoweredOff'],
  ['suspended', 'Suspended'],
]);

/** Reads a VM. */
export function factsOf(id: string, properties: Properties): VmFacts {
  const text = (path: string): string | undefined => properties.get(path)?.text || undefined;
  const connection = text('runtime.connectionState') ?? 'unknown';
  const boot = Date.parse(text('runtime.bootTime') ?? '');
  return {
    id,
    connection,
    name: text('name') ?? '',
    uuid: (text('config.instanceUuid') ?? '').toLowerCase(),
    template: text('config.template') === 'true',
    // The power state of a VM whose host is lost is the last one that the server saw.
    power: connection === 'connected' ? POWER_STATES.get(text('runtime.powerState') ?? '') : undefined,
    question: questionOf(properties.get('runtime.question')),
    host: text('runtime.host'),
    tools: text('guest.toolsRunningStatus') === 'guestToolsRunning',
    heartbeat: text('guestHeartbeatStatus') === 'green',
    address: text('guest.ipAddress'),
    attributes: new Map(
      (properties.get('customValue')?.children ?? []).map((each) => [
        textOf(each, 'key') ?? '',
        textOf(each, 'value') ?? '',
      ]),
    ),
    extra: extraOf(properties),
    changeVersion: text('config.changeVersion'),
    recentTasks: idsOf(properties.get('recentTask')),
    bootTime: Number.isNaN(boot) ? undefined : boot,
    cpus: Number(text('summary.config.numCpu') ?? 1),
    memory: Number(text('summary.config.memorySizeMB') ?? 0) * MEBIBYTE,
    needs: [...idsOf(properties.get('datastore')), ...idsOf(properties.get('network'))],
  };
}

/** Bytes. */
export const MEBIBYTE = 1_048_576;

/** The ids in a list of managed objects. */
export function idsOf(list: XmlElement | undefined): string[] {
  return childrenOf(list, 'ManagedObjectReference').map(({ text }) => text);
}

function extraOf(properties: Properties): Map<string, string> {
  const values = [
    [RECORD_KEY, textOf(properties.get(EXTRA_CONFIG), 'value')],
    [PLACE_ATTRIBUTE, textOf(properties.get(EXTRA_PLACE), 'value')],
  ] as const;
  return new Map(values.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])));
}

/** Most choices of a question that are shown. */
const MAX_CHOICES = 16;

function questionOf(value: XmlElement | undefined): Question | undefined {
  const id = textOf(value, 'id');
  if (value === undefined || id === undefined || id === '') return undefined;
  const choices = childrenOf(child(value, 'choice'), 'choiceInfo').slice(0, MAX_CHOICES);
  const kind = textOf(child(value, 'message'), 'id');
  return {
    id,
    ...(kind !== undefined && kind !== '' && { kind }),
    text: textOf(value, 'text') ?? '',
    choices: choices.map((each) => ({
      key: textOf(each, 'key') ?? '',
      label: textOf(each, 'label') ?? textOf(each, 'summary') ?? '',
    })),
  };
}

/** Whether a list of custom attributes has one of that name for VMs. */
export function hasAttribute(fields: XmlElement | undefined, name: string): boolean {
  return attributeKey(fields, name) !== undefined;
}

/** Key of the custom attribute of that name for VMs; undefined if there is none. */
export function attributeKey(fields: XmlElement | undefined, name: string): string | undefined {
  for (const field of childrenOf(fields, 'CustomFieldDef')) {
    const type = textOf(field, 'managedObjectType');
    const fits = type === undefined || type === '' || type === 'VirtualMachine';
    if (fits && textOf(field, 'name') === name) return textOf(field, 'key');
  }
  return undefined;
}

/** Whether a cluster has DRS, from its `configurationEx`. */
function hasDrs(properties: Properties | undefined): boolean {
  return textOf(child(properties?.get('configurationEx'), 'drsConfig'), 'enabled') === 'true';
}

/** Automation level of a cluster's DRS; undefined where it has no DRS. */
export function drsLevel(properties: Properties | undefined): string | undefined {
  if (!hasDrs(properties)) return undefined;
  return textOf(child(properties?.get('configurationEx'), 'drsConfig'), 'defaultVmBehavior') ?? 'unknown';
}

/** What a task says of itself. */
export interface TaskFacts {
  state: 'queued' | 'running' | 'success' | 'error';
  /** Such as `VirtualMachine.powerOn`. */
  what: string;
  /** Who or what started it. */
  by: string;
  entity: ManagedObject | undefined;
  error: XmlElement | undefined;
  result: XmlElement | undefined;
}

/** Reads `info` of a task; undefined where that says nothing of its state. */
export function taskOf(info: XmlElement | undefined): TaskFacts | undefined {
  const state = textOf(info, 'state');
  if (state !== 'queued' && state !== 'running' && state !== 'success' && state !== 'error') return undefined;
  return {
    state,
    what: textOf(info, 'descriptionId') ?? textOf(info, 'name') ?? 'a task',
    by: textOf(child(info, 'reason'), 'userName') ?? '',
    entity: managedObject(child(info, 'entity')),
    error: child(info, 'error'),
    result: child(info, 'result'),
  };
}
