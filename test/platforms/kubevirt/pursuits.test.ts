/**
 * The actions that operations on VMs of KubeVirt ask for one after another, on an API server that answers as the test says.
 *
 * Guarantees: G8.
 */
import { KubernetesError, RESOURCES, type ApiServer, type KubernetesObject } from '../../../kubernetes';
import { NewestObjects } from '../../../platforms/on-kubernetes';
import { Instances } from '../../../platforms/kubevirt/instances';
import {
  trimInstance,
  trimMachine,
  type KubevirtInstance,
  type KubevirtMachine,
} from '../../../platforms/kubevirt';
import { Pursuits } from '../../../platforms/kubevirt/pursuits';
import { until } from '../../support/until';
import { ScriptedCache } from '../on-kubernetes/scripted-cache';

const key = 'prod/db';
const name = { namespace: 'prod', name: 'db' };

let machines: ScriptedCache<KubevirtMachine>;
let instances: ScriptedCache<KubevirtInstance>;
let pursuits: Pursuits;
/** What was asked of KubeVirt. */
let asked: string[];
/** What KubeVirt refuses an action with. */
let refuse: (action: string) => Error | undefined;
let close: () => void;

/** A VM with run strategy `Manual` that is paused, and is to be shut down as it says itself. */
beforeEach(() => {
  asked = [];
  refuse = () => undefined;
  machines = new ScriptedCache();
  instances = new ScriptedCache();
  const record = { uid: 'u', id: 'op', sequence: 1, powerState: 'PoweredOff', caller: 'c', vmi: 'i' };
  const machine: KubernetesObject = {
    metadata: {
      ...name,
      uid: 'u',
      resourceVersion: '1',
      annotations: { 'vmgroup.dev/operation': JSON.stringify(record) },
    },
    spec: { runStrategy: 'Manual' },
  };
  const instance: KubernetesObject = {
    metadata: { ...name, uid: 'i', resourceVersion: '2' },
    status: { phase: 'Running', conditions: [{ type: 'Paused', status: 'True' }] },
  };
  machines.put(key, trimMachine(machine));
  instances.put(key, trimInstance(instance));
  const api = {
    get: () => Promise.resolve(machine),
    list: () => Promise.resolve({ metadata: { resourceVersion: '9' }, items: [instance] }),
    merge: (_resource: unknown, _key: unknown, { metadata }: KubernetesObject) => {
      Object.assign(machine.metadata, metadata, { resourceVersion: '3' });
      return Promise.resolve(structuredClone(machine));
    },
    invoke: (_resource: unknown, _key: unknown, action: string) => {
      asked.push(action);
      const error = refuse(action);
      return error ? Promise.reject(error) : Promise.resolve();
    },
  } as unknown as ApiServer;
  const listener = { changed: () => undefined, deleted: () => undefined };
  const vms = new NewestObjects({
    api,
    cache: machines.cache,
    listener,
    resource: RESOURCES.kubevirtMachines,
    trim: trimMachine,
  });
  const looks = new Instances(api, instances.cache, () => undefined);
  pursuits = new Pursuits({ api, vms, instances: looks, changed: () => undefined });
  close = () => {
    pursuits.close();
    looks.close();
    vms.close();
  };
});
afterEach(() => close());

test('KUBEVIRT-10: a paused VM with run strategy Manual is unpaused, so that it hears the stop, and then stopped', async () => {
  await pursuits.take(key, 'op');
  expect(asked).toEqual(['unpause', 'stop']);
  expect(pursuits.of(key, 'op')).toBeUndefined();
});

test('KUBEVIRT-10: what KubeVirt refuses again and again is shown in its words', async () => {
  const said = 'PUT /x: the API server answered 409: VMI is being migrated';
  refuse = () => new KubernetesError(said, 409, 'Conflict');
  await pursuits.take(key, 'op');
  expect(pursuits.of(key, 'op')?.hold).toBeUndefined();
  await until(() => pursuits.of(key, 'op')?.hold !== undefined);
  expect(pursuits.of(key, 'op')?.hold).toBe(`KubeVirt refuses to unpause it: ${said}`);
  refuse = () => undefined;
  await until(() => pursuits.of(key, 'op') === undefined);
  expect(asked.slice(-2)).toEqual(['unpause', 'stop']);
});

test('KUBEVIRT-10: what KubeVirt refuses for hours is asked for a few times a minute', async () => {
  jest.useFakeTimers();
  try {
    refuse = () => new KubernetesError('VMI is being migrated', 409, 'Conflict');
    await pursuits.take(key, 'op');
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect(asked.length).toBeGreaterThan(200);
    expect(asked.length).toBeLessThan(300);
  } finally {
    jest.useRealTimers();
  }
});

test('KUBEVIRT-11: an operation whose first action fails has failed with the words of the server', async () => {
  refuse = () => new KubernetesError('PUT /x: the API server answered 503: no endpoints', 503, '');
  await expect(pursuits.take(key, 'op')).rejects.toThrow('no endpoints');
  expect(pursuits.of(key, 'op')?.failure).toMatchObject({
    class: 'Transient',
    message: expect.stringContaining('no endpoints') as unknown,
  });
  refuse = () => undefined;
  await pursuits.take(key, 'op');
  expect(pursuits.of(key, 'op')).toBeUndefined();
});

test('KUBEVIRT-11: an operation whose action was given up has not failed', async () => {
  refuse = () => new Error('aborted');
  await expect(pursuits.take(key, 'op', AbortSignal.abort())).rejects.toThrow();
  expect(pursuits.of(key, 'op')).toBeUndefined();
});
