/**
 * The platform `kubevirt` conforms: on a real API server, as the worker with just the rights that it is deployed with, with the stand-in for KubeVirt.
 *
 * Guarantees: G1, G3, G5, G11.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';
import type { PowerState } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import { connectKubernetes, RESOURCES, resourceCache, type ApiServer } from '../../../kubernetes';
import { holds, KubevirtPlatform, trimMachine } from '../../../platforms/kubevirt';
import { FAULT, SHUTDOWN_TIME, START_TIME } from '../../../simulator';
import { createAuthority, type Authority } from '../../support/certificates';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy';
import { Kubevirt } from '../../support/kubevirt';
import { until } from '../../support/until';
import {
  cutInTheMiddle,
  describePlatform,
  leftOut,
  lineOver,
  noLine,
  refuseWatches,
  type OpenPlatform,
  type PlatformUnderTest,
  type VmRecord,
  type WatchInjury,
} from './index';

const ROOT = path.join(__dirname, '../../..');
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
          apiGroups: ['kubevirt.io'],
          apiVersions: ['*'],
          operations: ['UPDATE'],
          resources: ['virtualmachines'],
        },
      ],
    },
    validations: [
      {
        expression:
          "!('frozen' in object.metadata.?labels.orValue({})) || object.spec.runStrategy == oldObject.spec.runStrategy",
        message: FROZEN,
      },
    ],
  },
};
const BINDING = {
  ...POLICY,
  kind: 'ValidatingAdmissionPolicyBinding',
  spec: { policyName: 'frozen', validationActions: ['Deny'] },
};
/** The user `nobody` may read VMs, but not change them. */
const READER = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'reader' },
    rules: [
      {
        apiGroups: ['kubevirt.io'],
        resources: ['virtualmachines', 'virtualmachineinstances'],
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

class KubevirtUnderTest implements PlatformUnderTest {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-conformance-'));
  readonly #proxies = new WeakMap<OpenPlatform['line'], FaultProxy>();
  #authority: Authority | undefined;
  #started: Kubevirt | undefined;

  async start(): Promise<void> {
    this.#authority = createAuthority(this.#folder);
    const args = ['--client-ca-file', path.join(this.#folder, 'ca.crt')];
    const part = await Kubevirt.start({ args, times: { start: 60, shutdown: 40 } });
    this.#started = part;
    await part.cluster.run(['create', 'namespace', 'vmgroup-system']);
    // The overlay replaces the rules of the role.
    for (const folder of ['core', 'kubevirt']) {
      const role = path.join(ROOT, `deploy/${folder}/worker-role.yaml`);
      await part.cluster.run(['apply', '-n', 'vmgroup-system', '-f', role]);
    }
    const objects = [POLICY, BINDING, ...READER].map((object) => stringify(object)).join('---\n');
    await part.cluster.run(['apply', '-f', '-'], objects);
    await this.#untilFrozen();
  }

  async stop(): Promise<void> {
    await this.#started?.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async kill(): Promise<void> {
    await Promise.all([this.#part.cluster.killApiServer(), this.#part.stopController()]);
  }

  async restart(): Promise<void> {
    await this.#part.cluster.restartApiServer();
    this.#part.startController();
  }

  open = (): Promise<OpenPlatform> => this.#openAs(WORKER);

  async make(names: readonly string[]): Promise<VirtualMachineRef[]> {
    const vms = await this.#part.make(names);
    await until(async () => {
      const { items } = await this.#part.api.list(RESOURCES.kubevirtMachines, { namespace: 'prod' });
      const stopped = items
        .map(trimMachine)
        .filter(({ status }) => status.printableStatus === 'Stopped')
        .map(({ metadata }) => metadata.uid);
      return vms.every(({ uid }) => stopped.includes(uid));
    }, 'KubeVirt to know the VMs');
    return vms;
  }

  unplaced = leftOut('the scheduler of the cluster places VMs');

  async vanish(vm: VirtualMachineRef): Promise<void> {
    await this.#part.api.delete(RESOURCES.kubevirtMachines, vm);
    await until(async () => (await this.#part.api.get(RESOURCES.kubevirtMachines, vm)) === undefined);
  }

  async recreate(vm: VirtualMachineRef): Promise<VirtualMachineRef> {
    await this.vanish(vm);
    const [next] = await this.make([vm.name]);
    return next as VirtualMachineRef;
  }

  /** As people do with kubectl. */
  async change(vm: VirtualMachineRef, powerState: PowerState): Promise<void> {
    const runStrategy = powerState === 'PoweredOff' ? 'Halted' : 'Always';
    if (powerState === 'Suspended') await this.#part.act(vm, 'pause');
    else await this.#part.merge(vm, { spec: { runStrategy } });
    await until(async () => {
      const vmi = await this.#part.instance(vm);
      if (powerState === 'PoweredOff') return vmi === undefined;
      return vmi?.status.phase === 'Running' && holds(vmi, 'Paused') === (powerState === 'Suspended');
    });
  }

  async records(vms: readonly VirtualMachineRef[]): Promise<VmRecord[]> {
    await this.#part.settle();
    return vms.map(({ uid }) => {
      const deeds = this.#part.deeds.filter(({ vm }) => vm.uid === uid);
      const ours = deeds.flatMap((deed) => (deed.type === 'Began' && deed.request) || []);
      return {
        operations: new Set(ours).size,
        effects: deeds.flatMap((deed) => (deed.type === 'Effect' ? [deed.effect] : [])),
      };
    });
  }

  readonly oddNames = ['constructor', 'hasownproperty', 'a'.repeat(253), '0', '1.2.3', 'x--y', 'status'];

  slow = async (vms: readonly VirtualMachineRef[]): Promise<void> => {
    const times = { [START_TIME]: '500', [SHUTDOWN_TIME]: '500' };
    await Promise.all(vms.map((vm) => this.#part.annotate(vm, times)));
  };

  deafen = async (vm: VirtualMachineRef): Promise<void> =>
    void (await this.#part.annotate(vm, { [FAULT]: 'DeafGuest' }));

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
      refuseWatches(this.#proxyOf(line), 500, 5);
      await meanwhile();
      return /the list of VirtualMachines is not up to date/;
    },
    'its version is forgotten, and it is answered with 410': async ({ line }, meanwhile) => {
      refuseWatches(this.#proxyOf(line), 410, 4);
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
    begin: async (vm: VirtualMachineRef): Promise<void> =>
      void (await this.#part.merge(vm, { metadata: { labels: { frozen: '' } } })),
    words: new RegExp(FROZEN),
  };

  fail = leftOut('KubeVirt never gives up: what it waits for is a hold');

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
      const ask = (): Promise<unknown> => api.list(RESOURCES.kubevirtMachines, { namespace: 'prod' });
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
    words: /User "nobody" cannot patch resource.*let the worker's role patch virtualmachines.kubevirt.io/,
  };

  get #part(): Kubevirt {
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

  #forgery(written: (record: object) => string): (vm: VirtualMachineRef) => Promise<void> {
    return async (vm) => {
      const record = {
        uid: vm.uid,
        id: 'x',
        sequence: 1,
        powerState: 'PoweredOff',
        caller: 'x',
        at: '2026-01-01T00:00:00Z',
      };
      await this.#part.annotate(vm, { [OPERATION]: written(record) });
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
    const vm = await this.#part.vm('frozen');
    await this.refuse.begin(vm);
    let is = 'Halted';
    await until(async () => {
      is = is === 'Halted' ? 'Always' : 'Halted';
      return this.#part.merge(vm, { spec: { runStrategy: is } }).then(
        () => false,
        () => true,
      );
    }, 'the policy to be in force');
  }
}

/** As a worker does. */
function openOn(api: ApiServer): Omit<OpenPlatform, 'line'> {
  const machines = resourceCache({ api, resource: RESOURCES.kubevirtMachines, trim: trimMachine });
  const platform = new KubevirtPlatform({ api, machines, patience: 500 });
  return {
    platform,
    close: async () => {
      await platform.close();
      await machines.stop();
    },
  };
}

describePlatform('kubevirt', new KubevirtUnderTest());
