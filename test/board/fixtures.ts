/** Groups as a board sees them in the middle of a failover. */
import type { Freshness } from '../../board';
import type { MemberPhase, MemberProgress, Progress, TierProgress } from '../../contract';
import type { KnownGroup } from '../../insight';

export const NOW = Date.UTC(2026, 2, 14, 9, 26, 53, 589);
export const LIVE: Freshness = { state: 'Live' };

const ERRORS = [
  { class: 'Transient', message: 'the host esx-07.dc2 is busy: too many power operations, try again later' },
  { class: 'OperationTimeout', message: 'PoweredOn was not observed within 5m' },
  { class: 'GateTimeout', message: 'Ready was not reported within 10m after the VM was powered on' },
];

/** A member of a group in the middle of its run. */
export function memberAt(name: string, tier: number, phase: MemberPhase, index = 0): MemberProgress {
  const member: MemberProgress = { member: name, tier, phase, since: NOW - 20_000 - (index % 17) * 5_000 };
  const lastError = { ...(ERRORS[index % ERRORS.length] as (typeof ERRORS)[number]), at: NOW - 9_000 };
  switch (phase) {
    case 'Done':
      return { ...member, powerState: 'PoweredOn' };
    case 'InProgress':
      if (index % 5 === 3)
        return {
          ...member,
          waitsFor: 'PoweredOn and Ready',
          attempt: 3,
          failed: 2,
          lastError,
          nextRetryAt: NOW + 8_000,
        };
      return { ...member, waitsFor: 'PoweredOn and Ready', attempt: 1, activityId: `power-on/${name}` };
    case 'Parked':
      return {
        ...member,
        lastError,
        failed: 5,
        waitsFor: 'an operator: retryMember, skipMember or markReady',
      };
    case 'Queued':
      return { ...member, waitsFor: 'one of 50 slots for power operations, or its placement' };
    case 'Missing':
      return { ...member, waitsFor: `VirtualMachine ${name} to exist` };
    case 'Pending':
      return { ...member, waitsFor: 'tier 2 of 4 to be done' };
    case 'Skipped':
    case 'LeftAlone':
      return member;
  }
}

/** A group with an open run. */
export function runningGroup(
  name: string,
  members: MemberProgress[],
  over: Partial<Progress> = {},
  group: Partial<KnownGroup> = {},
): KnownGroup {
  const count = Math.max(0, ...members.map(({ tier }) => tier + 1));
  const tiers = Array.from({ length: count }, (_, tier): TierProgress => {
    const own = members.filter((member) => member.tier === tier);
    const done = own.filter(({ phase }) => phase === 'Done' || phase === 'Skipped').length;
    const phase =
      done === own.length ? 'Done' : own.every((each) => each.phase === 'Pending') ? 'Pending' : 'Running';
    return { tier, phase, done, total: own.length };
  });
  const progress: Progress = {
    namespace: 'prod',
    name,
    revision: 'r',
    generation: 1,
    lineage: 'u',
    root: name,
    powerState: 'PoweredOn',
    phase: 'PoweringOn',
    message: '3 members in progress.',
    startedAt: NOW - 754_000,
    rto: 1_800_000,
    tiers,
    members,
    placement: { phase: 'Done' },
    placements: {},
    words: [],
    ...over,
  };
  return {
    metadata: { namespace: 'prod', name },
    spec: { powerState: 'PoweredOn' },
    status: {
      members: members.map(({ member }) => ({
        name: member.replace(/^VirtualMachineGroup\//, ''),
        kind: member.startsWith('VirtualMachineGroup/') ? 'VirtualMachineGroup' : 'VirtualMachine',
        conditions: [],
      })),
      conditions: [],
    },
    phase: progress.phase,
    message: progress.message,
    run: {
      workflowId: `vmgroup/prod/${name}`,
      runId: '0198c5a1-7d1c-7a0e-9a43-3f6d1f0a2b4c',
      startedAt: progress.startedAt,
      progress,
    },
    ...group,
  };
}

const WORDS: Progress['words'] = [
  { verb: 'retryMember', member: 'dr-app-2', actor: 'anna', reason: 'host esx-07 is back', at: NOW - 61_000 },
  { verb: 'skipDelay', actor: 'ben', reason: 'the database was up before', at: NOW - 300_000 },
];

/** The example of a failover with six VMs. */
export function smallFailover(): KnownGroup[] {
  const members = [
    memberAt('dr-database-primary', 0, 'Done'),
    memberAt('dr-database-replica', 0, 'Done'),
    memberAt('dr-app-1', 1, 'Done'),
    memberAt('dr-app-2', 1, 'InProgress', 3),
    memberAt('dr-app-3', 1, 'Parked', 1),
    memberAt('dr-load-balancer', 2, 'Pending'),
  ];
  return [runningGroup('dr-site', members, { words: WORDS })];
}

/** A failover with this many VMs: a site of two nested groups, with `stuck` of them parked. */
export function largeFailover(count: number, stuck: number): KnownGroup[] {
  const names = ['db', 'mq', 'app', 'web'];
  const members = (prefix: string, size: number, parked: number): MemberProgress[] =>
    Array.from({ length: size }, (_, index) => {
      const tier = Math.min(3, Math.floor((index / size) * 4));
      const name = `${prefix}-${names[tier]}-${String(index + 1).padStart(3, '0')}`;
      const isParked =
        parked > 0 && index % Math.max(2, Math.floor((size * 0.6) / parked)) === 1 && index < size * 0.6;
      if (isParked) return memberAt(name, tier, 'Parked', index);
      if (tier < 2) return memberAt(name, tier, 'Done');
      if (tier === 3) return memberAt(name, tier, 'Pending');
      const at = index % 10;
      return memberAt(name, tier, at < 5 ? 'Done' : at < 8 ? 'InProgress' : 'Queued', index);
    });
  const half = Math.floor(count / 2);
  const site = runningGroup(
    'dr-site',
    [
      { ...memberAt('VirtualMachineGroup/erp', 0, 'InProgress'), waitsFor: 'its own run, vmgroup/prod/erp' },
      {
        ...memberAt('VirtualMachineGroup/shop', 0, 'InProgress'),
        waitsFor: 'its own run, vmgroup/prod/shop',
      },
    ],
    { words: WORDS },
  );
  const below = { spec: { powerState: 'PoweredOn' as const, groupName: 'dr-site' } };
  return [
    site,
    runningGroup('erp', members('erp', half, Math.ceil(stuck / 2)), {}, below),
    runningGroup('shop', members('shop', count - half, Math.floor(stuck / 2)), {}, below),
  ];
}
