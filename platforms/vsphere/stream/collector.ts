/**
 * One PropertyCollector in one session: all that is watched of a server comes from its one stream.
 *
 * VSPHERE-2: a property that is missing because the session has ended is never read as unset.
 */
import {
  child,
  childrenOf,
  element,
  managedObject,
  reference,
  textOf,
  VimFault,
  type ManagedObject,
  type SoapClient,
  type XmlElement,
} from '../soap';
import { FRAME_PATHS, VM_PATHS } from '../facts';

/** A change of one object. */
export interface ObjectUpdate {
  kind: 'enter' | 'modify' | 'leave';
  object: ManagedObject;
  /** New values by path; undefined: unset now. */
  changes: ReadonlyMap<string, XmlElement | undefined>;
}

/** Seconds that the server holds an answer back while nothing changes. */
const HELD = 30;
/** Objects in one answer to a read of properties at most; a server may send fewer. */
const PAGE = 500;
/** Milliseconds on top of that for the answer to arrive. */
const ANSWER = 15_000;

/** Watches all VMs of a server, what they stand in, and the tasks that it is given. */
export class Collector {
  readonly #client: SoapClient;
  readonly #session: number;
  readonly #self: ManagedObject;
  readonly #views: readonly ManagedObject[];
  readonly #tasks: ManagedObject;
  #version = '';

  private constructor(
    client: SoapClient,
    session: number,
    own: { self: ManagedObject; inventory: ManagedObject; tasks: ManagedObject },
  ) {
    this.#client = client;
    this.#session = session;
    this.#self = own.self;
    this.#views = [own.inventory, own.tasks];
    this.#tasks = own.tasks;
  }

  /** Opens one. @throws VimFault, TransportError */
  static async open(client: SoapClient, signal: AbortSignal): Promise<Collector> {
    const session = await client.session({ signal });
    const options = { session, signal };
    const views = await client.manager('viewManager', options);
    const properties = await client.manager('propertyCollector', options);
    const root = await client.manager('rootFolder', options);
    const types = ['VirtualMachine', ...Object.keys(FRAME_PATHS)];
    const self = made(await client.call(properties, 'CreatePropertyCollector', [], options));
    const container = [
      reference('container', root),
      ...types.map((type) => element('type', type)),
      element('recursive', true),
    ];
    const inventory = made(await client.call(views, 'CreateContainerView', container, options));
    const tasks = made(await client.call(views, 'CreateListView', [], options));
    const watched = types.map((type) =>
      propertySpec(type, type === 'VirtualMachine' ? VM_PATHS : pathsOf(type)),
    );
    for (const filter of [filterOf(inventory, watched), filterOf(tasks, [propertySpec('Task', ['info'])])])
      await client.call(self, 'CreateFilter', [filter, element('partialUpdates', false)], options);
    return new Collector(client, session, { self, inventory, tasks });
  }

  /**
   * Waits for the next changes. `more`: there are more already.
   *
   * @throws VimFault `NotAuthenticated` where the session has ended.
   */
  async next(signal: AbortSignal): Promise<{ updates: ObjectUpdate[]; more: boolean }> {
    const parameters = [
      element('version', this.#version),
      element('options', [element('maxWaitSeconds', HELD)]),
    ];
    const timeout = HELD * 1_000 + ANSWER;
    const options = { session: this.#session, signal, timeout };
    const [set] = await this.#client.call(this.#self, 'WaitForUpdatesEx', parameters, options);
    if (!set) return { updates: [], more: false };
    this.#version = textOf(set, 'version') ?? '';
    const updates = childrenOf(set, 'filterSet').flatMap((filter) =>
      childrenOf(filter, 'objectSet').map((each) => this.#updateOf(each)),
    );
    return { updates, more: textOf(set, 'truncated') === 'true' };
  }

  /** Follows tasks and no longer follows others. Resolves with those of `add` that the server no longer has. */
  async follow(
    add: readonly ManagedObject[],
    remove: readonly ManagedObject[],
    signal?: AbortSignal,
  ): Promise<ManagedObject[]> {
    const parameters = [
      ...add.map((task) => reference('add', task)),
      ...remove.map((task) => reference('remove', task)),
    ];
    const options = { session: this.#session, signal };
    const unresolved = await this.#client.call(this.#tasks, 'ModifyListView', parameters, options);
    return unresolved.map(managedObject).filter((each) => each !== undefined);
  }

  /** Frees what the server keeps for it. Never rejects. */
  async close(): Promise<void> {
    const options = { session: this.#session, signal: AbortSignal.timeout(5_000) };
    const ignore = (): undefined => undefined;
    await this.#client.call(this.#self, 'DestroyPropertyCollector', [], options).catch(ignore);
    for (const view of this.#views) await this.#client.call(view, 'DestroyView', [], options).catch(ignore);
  }

  #updateOf(update: XmlElement): ObjectUpdate {
    const object = managedObject(child(update, 'obj'));
    if (!object) throw new VimFault(malformed('an update without object'), 'WaitForUpdatesEx');
    const kind = textOf(update, 'kind');
    if (kind === 'leave') return { kind, object, changes: new Map() };
    checkMissing(this.#client, this.#session, update);
    const changes = new Map<string, XmlElement | undefined>();
    for (const change of childrenOf(update, 'changeSet')) {
      const op = textOf(change, 'op');
      const value = op === 'remove' || op === 'indirectRemove' ? undefined : child(change, 'val');
      changes.set(textOf(change, 'name') ?? '', value);
    }
    return { kind: kind === 'enter' ? 'enter' : 'modify', object, changes };
  }
}

/** Reads properties of objects directly. Objects that are gone are left out. @throws VimFault, TransportError */
export async function readProperties(
  client: SoapClient,
  objects: readonly ManagedObject[],
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Map<string, XmlElement>>> {
  if (objects.length === 0) {
    await client.session({ signal });
    return new Map();
  }
  try {
    return await readOnce(client, objects, paths, signal);
  } catch (error: unknown) {
    // VSPHERE-2. The session was forgotten: the next call logs in.
    if (error instanceof VimFault && error.fault.type === 'NotAuthenticated')
      return readOnce(client, objects, paths, signal);
    if (error instanceof VimFault && error.fault.type === 'ManagedObjectNotFound' && objects.length === 1)
      return new Map();
    throw error;
  }
}

async function readOnce(
  client: SoapClient,
  objects: readonly ManagedObject[],
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, Map<string, XmlElement>>> {
  const session = await client.session({ signal });
  const collector = await client.manager('propertyCollector', { signal });
  const types = [...new Set(objects.map(({ type }) => type))];
  const spec = element('specSet', [
    ...types.map((type) => propertySpec(type, paths)),
    ...objects.map((object) => element('objectSet', [reference('obj', object)])),
  ]);
  const parameters = [spec, element('options', [element('maxObjects', `${PAGE}`)])];
  let [page] = await client.call(collector, 'RetrievePropertiesEx', parameters, { signal });
  const found = new Map<string, Map<string, XmlElement>>();
  for (;;) {
    const objects = childrenOf(page, 'objects');
    for (const object of objects) {
      checkMissing(client, session, object);
      found.set(textOf(object, 'obj') ?? '', valuesOf(object));
    }
    const token = textOf(page, 'token');
    // A page without objects would be followed by others like it.
    if (token === undefined || objects.length === 0) return found;
    const next = [element('token', token)];
    [page] = await client.call(collector, 'ContinueRetrievePropertiesEx', next, { signal });
  }
}

function valuesOf(object: XmlElement): Map<string, XmlElement> {
  const values = new Map<string, XmlElement>();
  for (const property of childrenOf(object, 'propSet')) {
    const value = child(property, 'val');
    if (value) values.set(textOf(property, 'name') ?? '', value);
  }
  return values;
}

/** VSPHERE-2. */
function checkMissing(client: SoapClient, session: number, object: XmlElement): void {
  for (const missing of childrenOf(object, 'missingSet')) {
    const fault = child(child(missing, 'fault'), 'fault');
    if (fault?.type !== 'NotAuthenticated') continue;
    client.sessionEnded(session);
    const message = `${textOf(missing, 'path')} cannot be read in a session that has ended`;
    throw new VimFault(
      { type: 'NotAuthenticated', message, keys: [], detail: fault },
      'RetrievePropertiesEx',
    );
  }
}

function pathsOf(type: string): readonly string[] {
  return Object.entries(FRAME_PATHS).find(([name]) => name === type)?.[1] ?? [];
}

function propertySpec(type: string, paths: readonly string[]): ReturnType<typeof element> {
  return element('propSet', [element('type', type), ...paths.map((path) => element('pathSet', path))]);
}

function filterOf(
  view: ManagedObject,
  watched: readonly ReturnType<typeof element>[],
): ReturnType<typeof element> {
  const members = element(
    'selectSet',
    [element('type', view.type), element('path', 'view'), element('skip', false)],
    'TraversalSpec',
  );
  const object = element('objectSet', [reference('obj', view), element('skip', true), members]);
  return element('spec', [...watched, object]);
}

function made(returned: readonly XmlElement[]): ManagedObject {
  const object = managedObject(returned[0]);
  if (!object) throw new VimFault(malformed('nothing was created'), 'Create');
  return object;
}

function malformed(message: string): VimFault['fault'] {
  return { type: '', message, keys: [], detail: undefined };
}
