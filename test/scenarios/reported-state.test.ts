/**
 * What is reported of VMs while everything goes wrong at once: calls that fail, lose their answer, hang or are throttled, a platform that
 * cuts and delays its watch, VMs that are switched behind the group's back. A report may be late, and it is never wrong: of each VM it tells
 * states that the VM really was in, in the order in which it was in them.
 *
 * Guarantees: G6, G8.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PowerState, SimulatedFault } from '../../api';
import type { GroupView } from '../../bridge';
import { startHttpFaultProxy, type HttpFaultProxy } from '../support/http-fault-proxy';
import { groupWithVms, policyManifest } from '../support/manifests';
import { seededRandom } from '../support/random';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

jest.setTimeout(240_000);

const NS = 'truth';
const TIERS = ['db', 'app', 'web'].map((tier) => ({
  members: Array.from({ length: 8 }, (_, at) => `${tier}-${at}`),
}));
const VMS = TIERS.flatMap(({ members }) => members);
const POLICY = {
  operationTimeout: '2s',
  maxConcurrentOperations: 50,
  retry: { maximumAttempts: 4, initialInterval: '200ms', maximumInterval: '1s' },
  drift: { maxCorrections: 100 },
};
const FAULTS: SimulatedFault[] = [
  { type: 'LostReply', probability: 0.2 },
  { type: 'TransientError', probability: 0.2 },
  { type: 'Throttled', probability: 0.1, retryAfter: 300 },
  { type: 'Stuck', probability: 0.1 },
];

/** Milliseconds by which the platform's watch is late. */
const LAG = 300;

const seed = Date.now() % 100_000;
const random = seededRandom(seed);
let temporal: TestTemporal;
let system: System;
let proxy: HttpFaultProxy;
/** The states of each VM as they were reported, in order, without repetition. */
const reported = new Map<string, PowerState[]>();

const group = (powerState: PowerState): string =>
  groupWithVms({ namespace: NS, name: 'site', powerState, tiers: TIERS });

beforeAll(async () => {
  temporal = await startTemporal();
  system = await startSystem(
    temporal,
    { 'policy.yaml': policyManifest(NS, 'default', POLICY), 'site.yaml': group('PoweredOn') },
    { faults: FAULTS },
    { onView: report, reachPlatform },
  );
});
afterAll(async () => {
  await system?.stop();
  await proxy?.close();
  await temporal?.stop();
});

async function reachPlatform(target: string): Promise<string> {
  proxy = await startHttpFaultProxy({
    target,
    describe: ({ url = '' }) => ({ resource: url, watch: url === '/v1/watch' }),
  });
  return proxy.address;
}

function report({ status }: GroupView): void {
  for (const { name, powerState } of status.members) {
    const states = reported.get(name) ?? [];
    if (powerState !== undefined && states.at(-1) !== powerState) states.push(powerState);
    reported.set(name, states);
  }
}

/** The line to the platform: cut, delayed or refused at random. */
function disturb(): void {
  proxy.decide(({ watch }) => {
    const drawn = random();
    // A lag that changed would put the pieces of a stream out of order, which no connection does.
    if (watch) return drawn < 0.02 ? 'cut' : { lag: LAG };
    if (drawn < 0.05) return 'cut';
    if (drawn < 0.1) return 'lost';
    return drawn < 0.15 ? { answer: 503 } : undefined;
  });
}

/** Switches a VM outside vmgroup. */
async function switchOne(): Promise<void> {
  const name = VMS[Math.floor(random() * VMS.length)] ?? '';
  const state = random() < 0.6 ? 'PoweredOff' : 'PoweredOn';
  // The platform does not have a VM before it was placed.
  await system.console.power({ namespace: NS, name }, state).catch(() => undefined);
}

/** Waits until the report has caught up with the platform for every VM, while the run continues. */
async function expectSame(where: string): Promise<void> {
  let differing = '';
  await until(
    async () => {
      const vms = await system.console.list();
      const members = system.view(NS, 'site')?.status.members ?? [];
      const told = new Map(members.map(({ name, powerState }) => [name, powerState]));
      differing = vms
        .filter(({ state: { vm, status } }) => told.get(vm.name) !== status.powerState)
        .map(
          ({ state: { vm, status } }) => `${vm.name} is ${status.powerState}, reported ${told.get(vm.name)}`,
        )
        .join('; ');
      return differing === '';
    },
    `the report to equal the platform ${where} (seed ${seed})`,
    { seconds: 60, context: () => differing },
  );
}

/** The states that each VM really was in, in order. */
async function history(): Promise<Map<string, PowerState[]>> {
  const states = new Map(VMS.map((name) => [name, ['PoweredOff'] as PowerState[]]));
  for (const line of await system.journal())
    if (line.type === 'effect' && line.effect !== 'Ready')
      states.get(line.vm.slice(NS.length + 1))?.push(line.effect);
  return states;
}

/** Whether all of `part` appears in `whole`, in this order. */
function isSubsequence(part: readonly PowerState[], whole: readonly PowerState[]): boolean {
  let at = 0;
  for (const state of whole) if (state === part[at]) at += 1;
  return at === part.length;
}

test('G8: of every VM only states are reported that it was in, in their order, and the last one always', async () => {
  disturb();
  for (const powerState of ['PoweredOn', 'PoweredOff', 'PoweredOn'] as const) {
    system.write('site.yaml', group(powerState));
    for (let round = 0; round < 4; round += 1) {
      for (let at = 0; at < 8; at += 1) {
        await switchOne();
        await sleep(random() * 500);
      }
      await expectSame(`in round ${round} of ${powerState}`);
    }
  }
  proxy.heal();
  await system.console.setFaults([]);
  await expectSame('after the faults');

  const real = await history();
  for (const name of VMS) {
    const [told = [], was = []] = [reported.get(name), real.get(name)];
    expect({ name, seed, told, was, isTrue: isSubsequence(told, was) }).toMatchObject({ isTrue: true });
  }
  expect([...real.values()].flat().length).toBeGreaterThan(VMS.length * 2);
});
