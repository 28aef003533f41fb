/** A real API server with the stand-in for the VM controller on it. */
import { join } from 'node:path';
import type { SimulatedInventory } from '../../api';
import {
  connectKubernetes,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type ObjectCondition,
  type VirtualMachineObject,
} from '../../kubernetes';
import type { JournalLine } from '../../platforms/simulated';
import { readJournal, startSimulator, type Simulator, VmController } from '../../simulator';
import { startCluster, type TestCluster } from '../support/kubernetes';
import { inventory } from './fixtures';
import { until } from '../support/until';

const root = join(__dirname, '../..');

/** A cluster with every CRD, and zones. */
export async function startVmCluster(): Promise<TestCluster & { api: ApiServer }> {
  const cluster = await startCluster();
  await cluster.define(join(root, 'deploy/simulator/crd-zones.yaml'));
  return { ...cluster, api: connectKubernetes({ kubeconfig: cluster.kubeconfig() }) };
}

/** A namespace with a simulator of its own that follows it. */
export class Stage {
  #simulator: Simulator | undefined;
  #controller: VmController | undefined;
  readonly errors: string[] = [];

  constructor(
    readonly api: ApiServer,
    readonly namespace: string,
    readonly folder: string,
  ) {}

  async start(options: { inventory?: SimulatedInventory; guestPatience?: number } = {}): Promise<void> {
    await this.api.create(NAMESPACES, { metadata: { name: this.namespace } }).catch(() => undefined);
    this.#simulator = await startSimulator({ dataDir: this.folder, inventory: inventory(), ...options });
    this.#controller = new VmController({
      api: this.api,
      namespaces: [this.namespace],
      machine: this.#simulator.machine,
      onError: (error, about) => this.errors.push(`${about}: ${String(error)}`),
      ...(options.guestPatience !== undefined && { guestPatience: options.guestPatience }),
    });
    await this.#controller.synced();
  }

  async stop(): Promise<void> {
    await this.#controller?.stop();
    await this.#simulator?.close();
  }

  get simulator(): Simulator {
    if (!this.#simulator) throw new Error('not started');
    return this.#simulator;
  }

  /** Creates a VM. */
  vm(
    name: string,
    spec: VirtualMachineObject['spec'] = {},
    metadata: Partial<KubernetesObject['metadata']> = {},
  ): Promise<KubernetesObject> {
    return this.api.create(RESOURCES.virtualMachines, {
      metadata: { ...metadata, namespace: this.namespace, name },
      spec,
    });
  }

  /** Creates a group with one tier of VMs. */
  group(name: string, members: object[]): Promise<KubernetesObject> {
    return this.api.create(RESOURCES.virtualMachineGroups, {
      metadata: { namespace: this.namespace, name },
      spec: { bootOrder: [{ members }] },
    });
  }

  /** Writes the status of a group, as its controller does. */
  async groupStatus(name: string, members: object[]): Promise<void> {
    const object = { metadata: { namespace: this.namespace, name }, status: { members } };
    await this.api.apply(RESOURCES.virtualMachineGroups, object, {
      subresource: 'status',
      fieldManager: 'test',
    });
  }

  /** Changes a VM. */
  async patch(name: string, patch: object): Promise<void> {
    await this.api.merge(RESOURCES.virtualMachines, { namespace: this.namespace, name }, patch);
  }

  async read(name: string): Promise<VirtualMachineObject> {
    const object = await this.api.get(RESOURCES.virtualMachines, { namespace: this.namespace, name });
    if (!object) throw new Error(`no VM ${name}`);
    return { status: {}, spec: {}, ...object } as VirtualMachineObject;
  }

  /** Waits until a VM is as described; returns it. */
  async until(name: string, holds: (vm: VirtualMachineObject) => boolean): Promise<VirtualMachineObject> {
    let vm = await this.read(name);
    await until(async () => {
      vm = await this.read(name);
      return holds(vm);
    });
    return vm;
  }

  untilPower(name: string, powerState: string): Promise<VirtualMachineObject> {
    return this.until(name, (vm) => vm.status.powerState === powerState);
  }

  /** The journal's lines of one VM in short: calls with their answers, effects, placement, deletion. */
  async told(name: string): Promise<string[]> {
    return (await this.journal()).flatMap((line) => shortened(line, `${this.namespace}/${name}`));
  }

  async journal(): Promise<JournalLine[]> {
    const lines: JournalLine[] = [];
    for await (const line of readJournal(join(this.folder, 'journal.jsonl'), 0)) lines.push(line);
    return lines;
  }

  /** Warnings of one VM. */
  async warnings(name: string): Promise<Warning[]> {
    const { items } = await this.api.list(RESOURCES.events, { namespace: this.namespace });
    return (items as unknown as Warning[]).filter(({ regarding }) => regarding.name === name);
  }
}

/** A Warning event. */
export interface Warning {
  type: string;
  reason: string;
  note: string;
  regarding: { kind: string; name: string; uid: string };
  series?: { count: number };
}

const NAMESPACES = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };

function shortened(line: JournalLine, vm: string): string[] {
  if (line.type === 'place') return line.vms.some((each) => each.vm === vm) ? [`place ${line.answer}`] : [];
  if (!('vm' in line) || line.vm !== vm) return [];
  switch (line.type) {
    case 'call':
      return [`${line.operation} ${line.mode ?? ''} ${line.answer}`.replace('  ', ' ')];
    case 'effect':
      return [`=> ${line.effect}`];
    default:
      return [line.type];
  }
}

/** A condition of a VM as `status/reason`; undefined where it has none. */
export function condition({ status }: VirtualMachineObject, type: string): string | undefined {
  const found = findCondition({ status }, type);
  return found && `${found.status}/${found.reason}`;
}

export function findCondition(
  { status }: Pick<VirtualMachineObject, 'status'>,
  type: string,
): ObjectCondition | undefined {
  return status.conditions?.find((each) => each.type === type);
}
