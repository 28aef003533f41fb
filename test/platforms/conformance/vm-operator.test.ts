/**
 * The platform `vm-operator` conforms: on a real API server, as the worker with just the rights that it is deployed with, with the stand-in for VM
 * Operator's VM controller in a process of its own.
 *
 * Guarantees: G1, G3, G5, G11.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pMap from 'p-map';
import { parse, stringify } from 'yaml';
import type { PowerState } from '../../../api';
import type { PlacementRequest, VirtualMachineRef } from '../../../contract';
import {
  connectKubernetes,
  RESOURCES,
  virtualMachineCache,
  type ApiServer,
  type VirtualMachineObject,
} from '../../../kubernetes';
import { VmOperatorPlatform } from '../../../platforms/vm-operator';
import { GIB, inventory } from '../../simulator/fixtures';
import { createAuthority, type Authority } from '../../support/certificates';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy';
import { startCluster, type TestCluster } from '../../support/kubernetes';
import { until } from '../../support/until';
import {
  cutInTheMiddle,
  describePlatform,
  lineOver,
  noLine,
  refuseWatches,
  type OpenPlatform,
  type PlatformUnderTest,
  type VmRecord,
  type WatchInjury,
} from './index';
import { SimulatorProcess } from './simulator-process';

const ROOT = path.join(__dirname, '../../..');
const NAMESPACE = 'prod';
const WORKER = 'system:serviceaccount:vmgroup-system:vmgroup-worker';
const OPERATION = 'vmgroup.dev/operation';
const FROZEN = 'frozen for maintenance';

/** Refuses changes of VMs with the label `frozen`. */
const POLICY = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingAdmissionPolicy',
  metadata: { name: 'frozen' },
  spec: {
    matchConstraints: {
      resourceRules: [
        {
          apiGroups: ['vmoperator.vmware.com'],
          apiVersions: ['*'],
          operations: ['UPDATE'],
          resources: ['virtualmachines'],
        },
      ],
    },
    validations: [
      {
        expression:
          "!('frozen' in object.metadata.?labels.orValue({})) || object.spec.?powerState == oldObject.spec.?powerState",
        message: FROZEN,
      },
    ],
  },
};
/** The user `nobody` may read VMs, but not change them. */
const READER = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'reader' },
    rules: [
      {
        apiGroups: ['vmoperator.vmware.com'],
        resources: ['virtualmachines'],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'nobody' }],
  },
];
const BINDING = {
  ...POLICY,
  kind: 'ValidatingAdmissionPolicyBinding',
  spec: { policyName: 'frozen', validationActions: ['Deny'] },
};

class VmOperatorUnderTest implements PlatformUnderTest {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-conformance-'));
  #authority: Authority | undefined;
  readonly #proxies = new WeakMap<OpenPlatform['line'], FaultProxy>();
  #started: { cluster: TestCluster; api: ApiServer; simulator: SimulatorProcess } | undefined;

  readonly guestTime = 600;

  async start(): Promise<void> {
    this.#authority = createAuthority(this.#folder);
    const cluster = await startCluster({ args: ['--client-ca-file', path.join(this.#folder, 'ca.crt')] });
    const simulator = new SimulatorProcess({
      folder: path.join(this.#folder, 'simulator'),
      inventory: { ...inventory(), guests: [{ address: '192.0.2.10' }] },
      kubeconfig: cluster.kubeconfig(),
      namespaces: [NAMESPACE],
      guestPatience: this.guestTime,
    });
    this.#started = { cluster, api: connectKubernetes({ kubeconfig: cluster.kubeconfig() }), simulator };
    await cluster.define(path.join(ROOT, 'deploy/simulator/crd-zones.yaml'));
    for (const namespace of [NAMESPACE, 'vmgroup-system'])
      await cluster.run(['create', 'namespace', namespace]);
    await cluster.run([
      'apply',
      '-n',
      'vmgroup-system',
      '-f',
      path.join(ROOT, 'deploy/core/worker-role.yaml'),
    ]);
    await cluster.run(
      ['apply', '-f', '-'],
      [POLICY, BINDING, ...READER].map((object) => stringify(object)).join('---\n'),
    );
    await simulator.start();
    await this.#untilFrozen();
  }

  async stop(): Promise<void> {
    await this.#started?.simulator.stop();
    await this.#started?.cluster.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async kill(): Promise<void> {
    await Promise.all([this.#part.cluster.killApiServer(), this.#part.simulator.kill()]);
  }

  async restart(): Promise<void> {
    await this.#part.cluster.restartApiServer();
    await this.#part.simulator.start();
  }

  open = (): Promise<OpenPlatform> => this.#openAs(WORKER);

  async make(names: readonly string[]): Promise<VirtualMachineRef[]> {
    const vms = await this.#create(names, {});
    await until(async () => {
      const { items } = await this.#part.api.list(RESOURCES.virtualMachines, { namespace: NAMESPACE });
      const made = new Set(
        items
          .filter(({ status }) => (status as VirtualMachineObject['status'] | undefined)?.uniqueID)
          .map(({ metadata }) => metadata.uid),
      );
      return vms.every(({ uid }) => made.has(uid));
    }, 'VM Operator to create the VMs');
    return vms;
  }

  /** VM Operator creates no VM of a group that does not exist. */
  unplaced = async (names: readonly string[]): Promise<PlacementRequest[]> => {
    const vms = await this.#create(names, { groupName: 'none' });
    return vms.map((vm) => ({ vm, cpus: 1, memory: GIB }));
  };

  async vanish(vm: VirtualMachineRef): Promise<void> {
    await this.#part.api.delete(RESOURCES.virtualMachines, vm);
    await until(async () => (await this.#part.api.get(RESOURCES.virtualMachines, vm)) === undefined);
  }

  async recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef> {
    await this.vanish(vm);
    const [next] = await this.make([vm.name]);
    return next as VirtualMachineRef;
  }

  /** As people do with kubectl. */
  async change(vm: VirtualMachineRef, powerState: PowerState): Promise<void> {
    await this.#merge(vm, { spec: { powerState, powerOffMode: 'Hard', suspendMode: 'Hard' } });
    await until(async () => (await this.#get(vm))?.status.powerState === powerState);
  }

  /** An operation of the VM controller that names a request is ours: it read the request from the VM. */
  records = (vms: readonly VirtualMachineRef[]): Promise<VmRecord[]> =>
    this.#part.simulator.records(vms, ({ requestId }) => requestId !== undefined);

  readonly oddNames = ['constructor', 'hasownproperty', 'a'.repeat(253), '0', '1.2.3', 'x--y', 'status'];

  slow = (vms: readonly VirtualMachineRef[]): Promise<void> => this.#part.simulator.slow(vms);

  deafen = (vm: VirtualMachineRef): Promise<void> =>
    this.#part.simulator.addFault({ type: 'GuestIgnoresShutdown', vm: keyOf(vm) });

  readonly watchInjuries: Record<string, WatchInjury> = {
    'the connection is cut': async ({ line }, meanwhile) => {
      line.cut();
      await meanwhile();
      line.restore();
      return /the list of VirtualMachines is not up to date/;
    },
    'the connection is cut in the middle of a line': async ({ line }, meanwhile) => {
      cutInTheMiddle(this.#proxyOf(line));
      await meanwhile();
      return undefined;
    },
    'it is answered with 500 a few times': async ({ line }, meanwhile) => {
      refuseWatches(this.#proxyOf(line), 500, 3);
      await meanwhile();
      return /the list of VirtualMachines is not up to date/;
    },
    'its version is forgotten, and it is answered with 410': async ({ line }, meanwhile) => {
      refuseWatches(this.#proxyOf(line), 410, 2);
      await meanwhile();
      return undefined;
    },
  };

  readonly forgeries = {
    'not JSON': this.#forgery(() => '{"id":'),
    'no object': this.#forgery(() => 'null'),
    'that of another VM': this.#forgery((record) => JSON.stringify({ ...record, uid: 'another' })),
    'of a sequence that no run has': this.#forgery((record) =>
      JSON.stringify({ ...record, sequence: 1e300 }),
    ),
    'of a power state that does not exist': this.#forgery((record) =>
      JSON.stringify({ ...record, powerState: 'constructor' }),
    ),
    'of a caller of 100 KB': this.#forgery((record) =>
      JSON.stringify({ ...record, sequence: 1_000, caller: 'x'.repeat(100_000) }),
    ),
  };

  readonly refuse = {
    begin: (vm: VirtualMachineRef): Promise<void> =>
      this.#merge(vm, { metadata: { labels: { frozen: '' } } }),
    words: new RegExp(FROZEN),
  };

  readonly fail = {
    begin: (vm: VirtualMachineRef): Promise<void> =>
      this.#part.simulator.addFault({ type: 'NoCapacity', vm: keyOf(vm), operation: 'PoweredOn' }),
    words: /VM Operator: .*no host has room/,
    failureClass: 'NoCapacity' as const,
    end: (vm: VirtualMachineRef): Promise<void> => this.#part.simulator.heal(vm),
  };

  readonly throttle = {
    begin: async ({ line }: OpenPlatform, _vm: VirtualMachineRef, retryAfter: number): Promise<void> =>
      this.#proxyOf(line).decide(({ watch }) =>
        watch ? undefined : { answer: 429, retryAfter: retryAfter / 1_000 },
      ),
    end: async ({ line }: OpenPlatform): Promise<void> => line.restore(),
  };

  readonly credentials = {
    open: async (): Promise<OpenPlatform> => {
      this.#issue(3_600);
      const config = parse(readFileSync(this.#part.cluster.kubeconfig(), 'utf8')) as object;
      const file = path.join(this.#folder, 'short-lived.yaml');
      const user = { 'client-certificate': this.#certificate, 'client-key': this.#key };
      writeFileSync(file, stringify({ ...config, users: [{ name: 'admin', user }] }));
      return { ...openOn(connectKubernetes({ kubeconfig: file })), line: noLine() };
    },
    expire: async (): Promise<void> => {
      this.#issue(2);
      const api = connectKubernetes({ kubeconfig: path.join(this.#folder, 'short-lived.yaml') });
      const ask = (): Promise<unknown> => api.list(RESOURCES.virtualMachines, { namespace: NAMESPACE });
      await ask();
      await until(() =>
        ask().then(
          () => false,
          () => true,
        ),
      );
    },
    renew: async (): Promise<void> => this.#issue(3_600),
    words: /401: Unauthorized; .*credentials have expired/,
  };

  readonly forbidden = {
    open: (): Promise<OpenPlatform> => this.#openAs('nobody'),
    words: /User "nobody" cannot patch resource.*let the worker's role patch virtualmachines/,
  };

  get #part(): { cluster: TestCluster; api: ApiServer; simulator: SimulatorProcess } {
    if (!this.#started) throw new Error('the part is not started');
    return this.#started;
  }

  async #openAs(user: typeof WORKER | 'nobody'): Promise<OpenPlatform> {
    const proxy = await startFaultProxy(this.#part.cluster.kubeconfig(user));
    const line = lineOver(proxy, ({ method }) => method === 'PATCH');
    this.#proxies.set(line, proxy);
    return { ...openOn(connectKubernetes({ kubeconfig: proxy.kubeconfig })), line };
  }

  #proxyOf(line: OpenPlatform['line']): FaultProxy {
    const proxy = this.#proxies.get(line);
    if (!proxy) throw new Error('a line of another platform');
    return proxy;
  }

  async #create(names: readonly string[], spec: object): Promise<VirtualMachineRef[]> {
    const create = async (name: string): Promise<VirtualMachineRef> => {
      const object = {
        metadata: { namespace: NAMESPACE, name },
        spec: { powerState: 'PoweredOff', ...spec },
      };
      const { metadata } = await this.#part.api.create(RESOURCES.virtualMachines, object);
      return { namespace: NAMESPACE, name, uid: metadata.uid ?? '' };
    };
    return pMap(names, create, { concurrency: 10 });
  }

  async #get(vm: VirtualMachineRef): Promise<VirtualMachineObject | undefined> {
    const object = await this.#part.api.get(RESOURCES.virtualMachines, vm);
    return object && ({ status: {}, spec: {}, ...object } as VirtualMachineObject);
  }

  async #merge(vm: VirtualMachineRef, patch: object): Promise<void> {
    await this.#part.api.merge(RESOURCES.virtualMachines, vm, patch);
  }

  #forgery(written: (record: object) => string): (vm: VirtualMachineRef) => Promise<void> {
    return (vm) => {
      const { uid } = vm;
      const record = {
        uid,
        id: 'x',
        sequence: 1,
        powerState: 'PoweredOff',
        caller: 'x',
        at: '2026-01-01T00:00:00Z',
      };
      return this.#merge(vm, { metadata: { annotations: { [OPERATION]: written(record) } } });
    };
  }

  get #certificate(): string {
    return path.join(this.#folder, 'worker.crt');
  }

  get #key(): string {
    return path.join(this.#folder, 'worker.key');
  }

  #issue(seconds: number): void {
    this.#authority?.issueClient(WORKER, seconds, this.#certificate, this.#key);
  }

  /** A policy is not in force at once. */
  async #untilFrozen(): Promise<void> {
    const [vm] = await this.#create(['frozen'], {});
    if (!vm) return;
    await this.refuse.begin(vm);
    let is = 'PoweredOff';
    await until(async () => {
      is = is === 'PoweredOff' ? 'PoweredOn' : 'PoweredOff';
      return this.#merge(vm, { spec: { powerState: is } }).then(
        () => false,
        () => true,
      );
    }, 'the policy to be in force');
  }
}

/** As a worker does; a failure that VM Operator reports counts soon. */
function openOn(api: ApiServer): Omit<OpenPlatform, 'line'> {
  const machines = virtualMachineCache({ api });
  const platform = new VmOperatorPlatform({ api, machines, patience: 500 });
  return {
    platform,
    close: async () => {
      await platform.close();
      await machines.stop();
    },
  };
}

function keyOf({ namespace, name }: VirtualMachineRef): string {
  return `${namespace}/${name}`;
}

describePlatform('vm-operator', new VmOperatorUnderTest());
