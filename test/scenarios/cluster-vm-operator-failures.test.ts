/**
 * The product with VM Operator as its platform while the API server is killed, refuses, or its answers are lost: worker and bridge both reach
 * it through a proxy. Nothing is missed, and nothing is doubled: each VM is switched once, and each power operation has changed its spec once
 * (its generation tells: places and marks are no part of the spec).
 *
 * Guarantees: G1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RESOURCES } from '../../kubernetes';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import type { Fault, FaultProxy, SeenCall } from '../support/fault-proxy';
import { groupWithVms, policyManifest } from '../support/manifests';
import { effects } from '../support/system';

jest.setTimeout(180_000);

const VMS = ['a', 'b', 'c', 'd', 'e', 'f'];
let system: ClusterSystem;
let proxy: FaultProxy;

beforeAll(async () => {
  system = await startClusterSystem({ platform: 'vm-operator', proxied: true });
  proxy = system.proxy as FaultProxy;
  await system.startBridge();
}, 120_000);
afterEach(() => proxy.heal());
afterAll(() => system.stop());

/** Three tiers of two VMs, off, with a budget that outlasts what fails here; resolves once all of them stand by. */
async function standingBy(namespace: string): Promise<void> {
  const tiers = [
    { members: ['a', 'b'], delay: '1s' },
    { members: ['c', 'd'], delay: '1s' },
    { members: ['e', 'f'] },
  ];
  const retry = { maximumAttempts: 100, initialInterval: '100ms', maximumInterval: '500ms' };
  const text = [
    policyManifest(namespace, 'default', { retry }),
    groupWithVms({ namespace, name: 'app', powerState: 'PoweredOff', tiers }),
  ];
  await system.apply(namespace, text.join('---\n'));
  await converged(namespace, 1);
}

async function power(namespace: string, powerState: string): Promise<void> {
  const spec = { powerState };
  await system.api.merge(RESOURCES.virtualMachineGroups, { namespace, name: 'app' }, { spec });
}

async function converged(namespace: string, generation: number): Promise<void> {
  await system.until(async () => {
    const status = await system.status(namespace, 'app').catch(() => undefined);
    const there = status?.observedGeneration === generation && status.phase === 'Converged';
    return there && status.readyMembers === '6/6' ? true : undefined;
  }, `${namespace}/app to be in its desired state as of generation ${generation}`);
}

/** How often the spec of each VM was changed. */
function generations(namespace: string): Promise<number[]> {
  return Promise.all(
    VMS.map(async (name) => {
      const vm = await system.get(RESOURCES.virtualMachines, namespace, name);
      return vm?.metadata.generation ?? NaN;
    }),
  );
}

const switched = async (namespace: string): Promise<string[]> => effects(await system.journal(), namespace);

/** The VMs tier by tier: those of one tier come in any order. */
function byTier(lines: string[]): string[][] {
  return [0, 2, 4].map((at) => lines.slice(at, at + 2).sort());
}

const ON = [
  ['PoweredOn a', 'PoweredOn b'],
  ['PoweredOn c', 'PoweredOn d'],
  ['PoweredOn e', 'PoweredOn f'],
];

/** Powers the group on while this fails and then off, and holds that each VM was switched and written once each time. */
async function onAndOff(namespace: string, fault: (call: SeenCall) => Fault | undefined): Promise<void> {
  await standingBy(namespace);
  const before = await generations(namespace);
  proxy.decide(fault);
  await power(namespace, 'PoweredOn');
  await converged(namespace, 2);
  expect(byTier(await switched(namespace))).toEqual(ON);
  expect(await generations(namespace)).toEqual(before.map((each) => each + 1));
  await power(namespace, 'PoweredOff');
  await converged(namespace, 3);
  expect((await switched(namespace)).slice(6).sort()).toEqual(VMS.map((name) => `PoweredOff ${name}`));
  expect(await generations(namespace)).toEqual(before.map((each) => each + 2));
}

test('the API server killed and started again in the middle of a run', async () => {
  await standingBy('killed');
  const before = await generations('killed');
  await power('killed', 'PoweredOn');
  await system.until(
    async () => ((await switched('killed')).length > 0 ? true : undefined),
    'the first VM to be on',
  );
  await system.cluster.killApiServer();
  await sleep(3_000);
  await system.cluster.restartApiServer();
  await converged('killed', 2);
  expect(byTier(await switched('killed'))).toEqual(ON);
  expect(await generations('killed')).toEqual(before.map((each) => each + 1));
});

test('two of three calls of every kind are refused with 500 and 429', async () => {
  const turns = new Map<string, number>();
  await onAndOff('refused', ({ method, resource, watch }) => {
    const kind = `${method} ${resource} ${watch}`;
    const turn = (turns.get(kind) ?? 0) + 1;
    turns.set(kind, turn);
    return turn % 3 === 0 ? undefined : turn % 3 === 1 ? { answer: 500 } : { answer: 429, retryAfter: 1 };
  });
});

test('every other write takes effect, and its answer is lost', async () => {
  let turn = 0;
  let lost = 0;
  await onAndOff('lost', ({ method, resource }) => {
    if (method !== 'PATCH' || resource !== 'virtualmachines') return undefined;
    turn += 1;
    if (turn % 2 === 0) return undefined;
    lost += 1;
    return 'lost';
  });
  expect(lost).toBeGreaterThanOrEqual(6);
});
