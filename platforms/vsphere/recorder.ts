/**
 * Writes our records on a VM: the operation before its power is touched, and the place that it was promised.
 *
 * VSPHERE-5: on vCenter the record is a custom attribute: read, compared, written. Two processes may write in the same instant; the one with the
 *     greater sequence then writes again. On ESXi, and on request, it is an `extraConfig` value, written only for the version of the VM that was
 *     read: the server itself refuses any other.
 */
import { limited } from '../../limits';
import { readProperties } from './stream';
import { attributeKey, type VmFacts } from './facts';
import {
  element,
  managedObject,
  orAborted,
  reference,
  textOf,
  VimFault,
  type ManagedObject,
  type SoapClient,
} from './soap';
import type { Stream } from './stream';

/** Where the record is kept. */
export type RecordPlace = 'Attribute' | 'ExtraConfig';

/** Writes and finds records of one kind. */
export class Recorder {
  readonly #client: SoapClient;
  /** Name of the custom attribute, and key in `extraConfig`. */
  readonly #name: string;
  readonly #stream: () => Stream;
  readonly #place: RecordPlace | undefined;
  #key: string | undefined;
  #finding: Promise<string | undefined> | undefined;
  /** Keys of attributes that were not ours when they were last looked up. */
  readonly #others = new Set<string>();
  #chosen: RecordPlace | undefined;

  /**
   * @param name Name of the custom attribute, and key in `extraConfig`.
   * @param place absent: a custom attribute on vCenter, `extraConfig` on ESXi.
   */
  constructor(client: SoapClient, name: string, stream: () => Stream, place: RecordPlace | undefined) {
    this.#client = client;
    this.#name = name;
    this.#stream = stream;
    this.#place = place;
  }

  /** Where records are kept; undefined until the server has said what it is. */
  get place(): RecordPlace | undefined {
    return this.#chosen;
  }

  /** Finds out where records are kept, and the key of our attribute if there is one. @throws VimFault, TransportError */
  async prepare(signal?: AbortSignal): Promise<void> {
    if (this.#chosen) return;
    const { apiType } = await this.#client.content({ signal });
    const place = this.#place ?? (apiType === 'VirtualCenter' ? 'Attribute' : 'ExtraConfig');
    if (place === 'Attribute') await this.#findKey(signal);
    this.#chosen = place;
  }

  /** The text of a VM's record. */
  textOf(vm: VmFacts): string | undefined {
    if (this.#chosen === 'ExtraConfig') return vm.extra.get(this.#name);
    return this.#key === undefined ? undefined : vm.attributes.get(this.#key);
  }

  /** Whether a VM has an attribute that may be ours: another process defines it once. */
  isUnsure(vm: VmFacts): boolean {
    if (this.#chosen !== 'Attribute' || this.#key !== undefined) return false;
    return [...vm.attributes.keys()].some((key) => !this.#others.has(key));
  }

  /** Looks our attribute up again. Never rejects: it is asked again with the next change. */
  async lookAgain(vm: VmFacts): Promise<void> {
    const asked = [...vm.attributes.keys()];
    await this.#findKey().then(
      () => asked.forEach((key) => this.#others.add(key)),
      () => undefined,
    );
  }

  /**
   * Writes a record.
   *
   * @param vm as it was read for the decision.
   * @throws VimFault `ConcurrentAccess` where the VM has changed since, or other records may count than were read; TransportError where it is not known whether it was written.
   */
  async write(vm: VmFacts, text: string, signal?: AbortSignal): Promise<void> {
    const object: ManagedObject = { type: 'VirtualMachine', id: vm.id };
    if (this.#chosen === 'ExtraConfig') return this.#reconfigure(object, vm.changeVersion, text, signal);
    const known = await this.#findKey(signal);
    try {
      await this.#setField(object, known ?? (await this.#defineKey(signal)), text, signal);
    } catch (error: unknown) {
      const invalid = error instanceof VimFault && error.fault.type === 'InvalidArgument';
      if (known === undefined || !invalid || !(await this.#isRemoved(known, signal))) throw error;
      const message = `the custom attribute ${this.#name} was removed`;
      throw new VimFault({ ...error.fault, type: 'ConcurrentAccess', message }, 'SetField');
    }
  }

  async #setField(
    entity: ManagedObject,
    key: string,
    text: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const manager = await this.#client.manager('customFieldsManager', { signal });
    const parameters = [reference('entity', entity), element('key', key), element('value', text)];
    await this.#client.call(manager, 'SetField', parameters, { signal });
  }

  /** Whether an administrator removed our attribute: what other processes have recorded since is under another key. */
  async #isRemoved(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#key === key) this.#key = undefined;
    return (await this.#findKey(signal)) !== key;
  }

  async #reconfigure(
    vm: ManagedObject,
    version: string | undefined,
    text: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const option = element(
      'extraConfig',
      [element('key', this.#name), element('value', text, 'xsd:string')],
      'OptionValue',
    );
    const spec = [...(version === undefined ? [] : [element('changeVersion', version)]), option];
    const [started] = await this.#client.call(vm, 'ReconfigVM_Task', [element('spec', spec)], { signal });
    const task = managedObject(started);
    if (!task) return;
    await this.#stream().succeeded(task, limited(RECONFIGURE, signal));
  }

  #findKey(signal?: AbortSignal): Promise<string | undefined> {
    if (this.#key !== undefined) return Promise.resolve(this.#key);
    this.#finding ??= this.#lookUp().finally(() => (this.#finding = undefined));
    return orAborted(this.#finding, signal);
  }

  async #lookUp(): Promise<string | undefined> {
    const manager = await this.#client.manager('customFieldsManager');
    const found = await readProperties(this.#client, [manager], ['field']);
    this.#key ??= attributeKey(found.get(manager.id)?.get('field'), this.#name);
    return this.#key;
  }

  async #defineKey(signal: AbortSignal | undefined): Promise<string> {
    const manager = await this.#client.manager('customFieldsManager', { signal });
    const parameters = [element('name', this.#name), element('moType', 'VirtualMachine')];
    try {
      const [made] = await this.#client.call(manager, 'AddCustomFieldDef', parameters, { signal });
      this.#key = textOf(made, 'key');
    } catch (error: unknown) {
      // Another process was faster.
      if (!(error instanceof VimFault) || error.fault.type !== 'DuplicateName') throw error;
      await this.#findKey(signal);
    }
    if (this.#key !== undefined) return this.#key;
    const message = `the custom attribute ${this.#name} cannot be found; is there one for another type of object?`;
    throw new VimFault({ type: 'NotSupported', message, keys: [], detail: undefined }, 'AddCustomFieldDef');
  }
}

/** Milliseconds in which a VM is reconfigured. */
const RECONFIGURE = 60_000;
