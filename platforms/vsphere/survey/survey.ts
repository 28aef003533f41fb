/** Looks at a server step by step, for `vmgroup doctor`. Changes nothing. */
import { readProperties } from '../stream';
import { hasAttribute, RECORD_ATTRIBUTE } from '../facts';
import { readAll, type VsphereInventory } from '../orders';
import { isInScope, type Scope } from '../scope';
import {
  certificateOf,
  child,
  childrenOf,
  element,
  reference,
  SoapClient,
  textOf,
  type Certificate,
  type ManagedObject,
  type ServiceContent,
  type SoapOptions,
} from '../soap';
import { privilegesFor, type Privilege, type PrivilegeUse } from './privileges';

/** A privilege that is missing. */
export interface MissingPrivilege {
  privilege: Privilege;
  /** Paths of the VMs that it is missing on; empty: at the root. */
  vms: string[];
}

/** Milliseconds for one step. */
const STEP = 120_000;
/** VMs whose privileges are asked for: rights come from folders, so more VMs would add nothing. */
const MAX_VMS = 500;

/** One server, seen in one session. */
export class Survey {
  readonly #client: SoapClient;
  readonly #options: SoapOptions & { scope: Scope };
  #inventory: VsphereInventory | undefined;

  constructor(options: SoapOptions & { scope: Scope }) {
    this.#options = options;
    this.#client = new SoapClient(options);
  }

  /** Host and port. */
  get host(): string {
    return this.#client.host;
  }

  /** What the server shows of itself before it is trusted. @throws TransportError */
  certificate(): Promise<Certificate> {
    return certificateOf(this.#options.address);
  }

  /** What the server is; needs no login. @throws VimFault, TransportError */
  reach(): Promise<ServiceContent> {
    return this.#client.content();
  }

  /** @throws VimFault `InvalidLogin`, TransportError, and what reading the credentials throws */
  async logIn(): Promise<void> {
    await this.#client.session();
  }

  /** All VMs, and what starts them in order. @throws VimFault, TransportError */
  async inventory(): Promise<VsphereInventory> {
    this.#inventory ??= await readAll(this.#client, AbortSignal.timeout(STEP));
    return this.#inventory;
  }

  /** Ids and paths of the VMs that manifests may name by name alone. */
  async vmsInScope(): Promise<{ id: string; path: string }[]> {
    const { vms, poolOf } = await this.inventory();
    return vms.filter(({ id, path }) => isInScope(this.#options.scope, path, poolOf(id)));
  }

  /** Whether the custom attribute for records is defined. */
  async hasAttribute(): Promise<boolean> {
    const manager = await this.#client.manager('customFieldsManager');
    const found = await readProperties(this.#client, [manager], ['field']);
    return hasAttribute(found.get(manager.id)?.get('field'), RECORD_ATTRIBUTE);
  }

  /** Asks the server about every privilege. @throws VimFault, TransportError */
  async missingPrivileges(use: PrivilegeUse): Promise<MissingPrivilege[]> {
    const wanted = privilegesFor(use);
    const root = await this.#client.manager('rootFolder');
    const vms = (await this.vmsInScope()).slice(0, MAX_VMS);
    const pathOf = new Map(vms.map(({ id, path }) => [id, path]));
    const atRoot = wanted.filter(({ at }) => at === 'Root');
    const onVms = wanted.filter(({ at }) => at === 'VMs');
    const [rootLacks, vmLacks] = [
      await this.#lacks([root], atRoot),
      await this.#lacks(
        vms.map(({ id }) => ({ type: 'VirtualMachine', id })),
        onVms,
      ),
    ];
    return wanted.flatMap((privilege) => {
      const found = [...rootLacks, ...vmLacks].filter(({ id }) => id === privilege.id);
      return found.length === 0
        ? []
        : [{ privilege, vms: found.flatMap(({ entity }) => pathOf.get(entity) ?? []) }];
    });
  }

  /** Logs out. Never rejects. */
  close(): Promise<void> {
    return this.#client.close();
  }

  async #lacks(
    entities: readonly ManagedObject[],
    privileges: readonly Privilege[],
  ): Promise<{ entity: string; id: string }[]> {
    if (entities.length === 0) return [];
    const manager = await this.#client.manager('authorizationManager');
    const parameters = [
      ...entities.map((entity) => reference('entity', entity)),
      element('sessionId', await this.#sessionKey()),
      ...privileges.map(({ id }) => element('privId', id)),
    ];
    const answers = await this.#client.call(manager, 'HasPrivilegeOnEntities', parameters);
    return answers.flatMap((answer) =>
      childrenOf(answer, 'privAvailability')
        .filter((each) => textOf(each, 'isGranted') !== 'true')
        .map((each) => ({ entity: textOf(answer, 'entity') ?? '', id: textOf(each, 'privId') ?? '' })),
    );
  }

  async #sessionKey(): Promise<string> {
    const manager = await this.#client.manager('sessionManager');
    const found = await readProperties(this.#client, [manager], ['currentSession']);
    return child(found.get(manager.id)?.get('currentSession'), 'key')?.text ?? '';
  }
}
