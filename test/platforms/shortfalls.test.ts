import {
  capabilitiesOf,
  shortfallsOf,
  shortfallText,
  CAPABILITIES,
  type PlatformType,
} from '../../platforms';
import { plan, seen, tier, vm } from '../workflows/plans';

const heard = { period: 500, timeout: 1_000, successThreshold: 1 };
const probe = { tcpSocket: { port: 1 }, ...heard };
const rule = (topologyKey: 'kubernetes.io/hostname' | 'topology.kubernetes.io/zone') => ({
  effect: 'AntiAffinity' as const,
  strength: 'Required' as const,
  topologyKey,
  selector: { matchLabels: { app: 'web' }, matchExpressions: [] },
  path: '',
});

function texts(of: ReturnType<typeof plan>, type: PlatformType | 'unknown' = 'simulated'): string[] {
  return shortfallsOf([of], () => (type === 'unknown' ? undefined : type)).map(shortfallText);
}

test('a platform that has all of it: nothing to say', () => {
  expect(texts(plan([tier([seen('a', 'PoweredOff')], { gate: 'Ready' })]))).toEqual([]);
  const gated = plan([tier([seen('a', 'PoweredOff')], { gate: 'Condition/Booted' })]);
  expect(texts(gated, 'vm-operator')).toEqual([]);
  expect(texts(plan([tier([seen('a', 'PoweredOff')], { gate: 'Probe', probe })]), 'vm-operator')).toEqual([]);
});

test('a condition that nothing reports, by member; and VMs of an unknown platform are left out', () => {
  const members = [vm('a'), vm('b', { gate: 'PoweredOn' }), vm('c'), vm('d', { link: 'NotMember' })];
  const of = plan([tier(members, { gate: 'Condition/Booted' })]);
  expect(texts(of)).toEqual([
    'a, c on platform simulated: nothing reports conditions, so gate Condition/Booted will time out',
  ]);
  expect(texts(of, 'unknown')).toEqual([]);
});

test('required rules over hosts where only zones are chosen', () => {
  const on = (key: Parameters<typeof rule>[0]) =>
    plan([tier([vm('a', { requests: { cpus: 1, memory: 1, affinity: [rule(key)] } })])]);
  expect(texts(on('kubernetes.io/hostname'), 'vm-operator')).toEqual([
    'a on platform vm-operator: only zones are chosen here, so required rules over hosts are left to the platform',
  ]);
  expect(texts(on('topology.kubernetes.io/zone'), 'vm-operator')).toEqual([]);
  expect(texts(on('kubernetes.io/hostname'))).toEqual([]);
});

test('DRS: rules have no effect, or with drsRules those that it cannot keep', () => {
  const preferred = { ...rule('kubernetes.io/hostname'), strength: 'Preferred' as const };
  const affinity = [preferred, rule('topology.kubernetes.io/zone'), rule('kubernetes.io/hostname')];
  const of = plan([tier([vm('a', { requests: { cpus: 1, memory: 1, affinity } })])]);
  expect(texts(of, 'vsphere')).toEqual([
    'a on platform vsphere: where DRS places VMs, affinity rules have no effect: set spec.vsphere.drsRules of the Platform',
  ]);
  const settings = { type: 'vsphere' as const, drsRules: true };
  expect(
    shortfallsOf(
      [of],
      () => 'vsphere',
      () => capabilitiesOf(settings),
    ).map(({ what }) => what),
  ).toEqual([
    'where DRS places VMs, preferred affinity rules have no effect',
    'where DRS places VMs, affinity rules over zones have no effect: a VM stays in its cluster',
  ]);
});

describe('platforms with less', () => {
  const { simulated } = CAPABILITIES;
  const table = CAPABILITIES as Record<PlatformType, typeof simulated>;
  afterEach(() => void (table.simulated = simulated));

  test.each([
    [
      { gates: [] },
      plan([tier([vm('a')], { gate: 'Ready' })]),
      'nothing reports readiness, so gate Ready will time out: use gate Probe',
    ],
    [
      { guestAddress: false },
      plan([tier([vm('a')], { gate: 'Probe', probe })]),
      "the guest's address is not known, so its probe will time out: name a host in the probe",
    ],
    [
      { guestReports: [] },
      plan([
        tier([vm('a', { gate: 'Probe', probe: { ...heard, guestHeartbeat: { thresholdStatus: 'green' } } })]),
      ]),
      'nothing reports heartbeats of guests, so its readinessProbe will time out',
    ],
    [
      { guestReports: ['Heartbeat' as const], guestAddress: false },
      plan([tier([vm('a', { gate: 'Probe', probe: { ...heard, guestInfo: [{ key: 'up' }] } })])]),
      'nothing reports guest info, so its readinessProbe will time out',
    ],
    [
      { placement: 'Platform' as const },
      plan([
        tier([vm('a', { requests: { cpus: 1, memory: 1, affinity: [rule('kubernetes.io/hostname')] } })]),
      ]),
      'the platform places VMs by itself, so affinity rules have no effect',
    ],
    [
      { suspend: 'Paused' as const },
      plan([tier([vm('a')])], { powerState: 'Suspended' }),
      'Suspended only pauses a VM: its memory stays on its host, and is lost with that',
    ],
    [
      { softShutdown: false },
      plan([tier([vm('a', { powerOffMode: 'Soft' })])], { powerState: 'PoweredOff' }),
      'the guest cannot be reached, so powerOffMode Soft will time out: use TrySoft or Hard',
    ],
  ])('%j', (lack, of, what) => {
    expect(texts(of)).toEqual([]);
    table.simulated = { ...simulated, ...lack };
    expect(texts(of)).toEqual([`a on platform simulated: ${what}`]);
  });
});
