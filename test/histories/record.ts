/**
 * Records one history of every kind of run of which this folder has none: `npx tsx test/histories/record.ts`. Done on purpose and rarely, on a
 * real server: the histories are what later builds must still be able to replay, so what older builds recorded stays.
 */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { groupEnded, workflowId, type MemberPhase } from '../../contract';
import { HeldCancellations } from '../support/held-cancellations';
import { groupManifest, groupWithVms, policyManifest, vmManifest, type GroupShape } from '../support/manifests';
import { effects, startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';

interface Case {
  /** File name. */
  name: string;
  files(namespace: string): Record<string, string>;
  /** What happens after the start; by default the run is left to end. */
  then?(system: System, namespace: string): Promise<void>;
  /** Group whose history is taken. */
  group?: string;
  /** The history is taken while the run is open. */
  open?: true;
  /** Milliseconds that an activity waits for a nested run. */
  groupWait?: number;
}

const SHAPE = {
  name: 'app',
  powerState: 'PoweredOn',
  tiers: [{ members: ['db-1', 'db-2'], delay: '1s' }, { members: ['app-1'] }, { members: ['web-1'] }],
};
const WAITING = [{ members: ['db-1', 'db-2'], delay: '60s' }, { members: ['app-1'] }];
const app = (namespace: string, more: Partial<GroupShape> = {}): string => groupWithVms({ namespace, ...SHAPE, ...more });
const first = (system: System, namespace: string): Promise<unknown> =>
  system.until(async () => (effects(await system.journal(), namespace).length >= 2 ? true : undefined), 'the first tier');
const turn = (more: Partial<GroupShape>) => async (system: System, namespace: string): Promise<void> => {
  const { endedAt } = await system.outcome(namespace, 'app');
  system.write('app.yaml', app(namespace, more));
  await system.outcome(namespace, 'app', endedAt);
};
const failing = { retry: { maximumAttempts: 2, initialInterval: '100ms' } };
const fault = (system: System, namespace: string): Promise<void> =>
  system.console.setFaults([{ type: 'TransientError', vm: `${namespace}/app-1` }]);

const CASES: Case[] = [
  { name: 'power-on', files: (ns) => ({ 'app.yaml': app(ns) }) },
  { name: 'power-off-at-once', files: (ns) => ({ 'app.yaml': app(ns) }), then: turn({ powerState: 'PoweredOff' }) },
  {
    name: 'power-off-in-reverse',
    files: (ns) => ({ 'app.yaml': app(ns) }),
    then: turn({ powerState: 'PoweredOff', tiers: [{ members: ['db-1', 'db-2'], powerOffDelay: '1s' }, { members: ['app-1'] }, { members: ['web-1'] }] }),
  },
  { name: 'suspend', files: (ns) => ({ 'app.yaml': app(ns) }), then: turn({ powerState: 'Suspended' }) },
  { name: 'force-sync', files: (ns) => ({ 'app.yaml': app(ns) }), then: turn({ more: { nextForcePowerStateSyncTime: 'now' } }) },
  { name: 'nested-parent', group: 'parent', files: nested, then: async (system, ns) => void (await system.outcome(ns, 'parent')) },
  { name: 'nested-child', group: 'inner', files: nested, then: async (system, ns) => void (await system.outcome(ns, 'parent')) },
  { name: 'nested-parent-waits', group: 'parent', files: nestedParked, groupWait: 500, then: retryNested },
  { name: 'nested-child-notifies', group: 'inner', files: nestedParked, groupWait: 500, then: retryNested },
  {
    name: 'drift-corrected',
    files: (ns) => ({ 'app.yaml': app(ns) }),
    then: async (system, ns) => {
      const { endedAt } = await system.outcome(ns, 'app');
      await system.console.power({ namespace: ns, name: 'db-1' }, 'PoweredOff');
      await system.outcome(ns, 'app', endedAt);
    },
  },
  {
    name: 'turned-round',
    files: (ns) => ({ 'app.yaml': app(ns) }),
    then: async (system, ns) => {
      await first(system, ns);
      system.write('app.yaml', app(ns, { powerState: 'PoweredOff' }));
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'member-joins',
    files: (ns) => ({ 'app.yaml': groupManifest({ namespace: ns, ...SHAPE }), 'db-1.yaml': vmManifest(ns, 'db-1', 'app'), 'db-2.yaml': vmManifest(ns, 'db-2', 'app') }),
    then: async (system, ns) => {
      await first(system, ns);
      system.write('rest.yaml', ['app-1', 'web-1'].map((name) => vmManifest(ns, name, 'app')).join('---\n'));
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'member-recreated',
    files: (ns) => ({
      'app.yaml': groupManifest({ namespace: ns, ...SHAPE, tiers: WAITING }),
      'db-1.yaml': vmManifest(ns, 'db-1', 'app'),
      'rest.yaml': ['db-2', 'app-1'].map((name) => vmManifest(ns, name, 'app')).join('---\n'),
    }),
    then: async (system, ns) => {
      await inDelay(system, ns);
      system.remove('db-1.yaml');
      await system.console.delete({ namespace: ns, name: 'db-1' });
      await phaseOf(system, ns, 'Missing');
      system.write('db-1.yaml', vmManifest(ns, 'db-1', 'app'));
      await phaseOf(system, ns, 'Done');
      await skipDelay(system, ns);
    },
  },
  {
    name: 'member-returns',
    files: (ns) => ({ 'db-1.yaml': vmManifest(ns, 'db-1', 'app'), 'db-2.yaml': vmManifest(ns, 'db-2', 'app') }),
    then: async (system, ns) => {
      const write = (powerState: string, ...members: string[]): void =>
        system.write('app.yaml', groupManifest({ namespace: ns, name: 'app', powerState, tiers: [{ members, powerOffDelay: '60s' }] }));
      const delayed = (count: number): Promise<unknown> =>
        system.until(() => {
          const { tiers = [], members = [] } = system.view(ns, 'app')?.run?.progress ?? {};
          return tiers[0]?.phase === 'Delay' && members.length === count ? true : undefined;
        }, `the delay with ${count} members`);
      await system.console.setFaults([{ type: 'Stuck', vm: `${ns}/db-1`, times: 1 }]);
      write('PoweredOn', 'db-1', 'db-2');
      await system.until(async () => effects(await system.journal(), ns).includes('PoweredOn db-2'), 'db-2 to be on');
      system.remove('db-1.yaml');
      await phaseOf(system, ns, 'Missing');
      write('PoweredOff', 'db-2');
      await delayed(1);
      system.write('db-1.yaml', vmManifest(ns, 'db-1', 'app'));
      write('PoweredOff', 'db-1', 'db-2');
      await delayed(2);
      await system.say(ns, 'app', 'skipDelay');
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'unseen-vm',
    files: (ns) => ({
      'app.yaml': groupManifest({ namespace: ns, name: 'app', powerState: 'PoweredOff', tiers: [{ members: ['db-1'] }] }),
      'db-1.yaml': vmManifest(ns, 'db-1', 'app').replace('metadata:', 'metadata:\n  annotations: {vmgroup.dev/platform: nowhere}'),
    }),
    then: async (system, ns) => {
      await phaseOf(system, ns, 'InProgress');
      system.write('db-1.yaml', vmManifest(ns, 'db-1', 'app'));
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'drift-forced',
    files: (ns) => ({ 'policy.yaml': policyManifest(ns, 'default', { drift: { action: 'Report' } }), 'app.yaml': app(ns, { tiers: WAITING }) }),
    then: async (system, ns) => {
      await inDelay(system, ns);
      await system.console.power({ namespace: ns, name: 'db-1' }, 'PoweredOff');
      await phaseOf(system, ns, 'LeftAlone');
      system.write('app.yaml', app(ns, { tiers: WAITING, more: { nextForcePowerStateSyncTime: 'now' } }));
      await phaseOf(system, ns, 'Done');
      await skipDelay(system, ns);
    },
  },
  {
    name: 'nested-parent-told-early',
    group: 'parent',
    files: nestedParked,
    groupWait: 5_000,
    then: async (system, ns) => {
      await system.console.setFaults([{ type: 'TransientError', vm: `${ns}/in-2` }]);
      await system.until(() => (system.view(ns, 'inner')?.run?.progress?.members[1]?.phase === 'Parked' ? true : undefined), 'a parked member');
      const { runId } = await system.handle(ns, 'inner').describe();
      await system.handle(ns, 'parent').signal(groupEnded, { member: 'VirtualMachineGroup/inner', runId });
      await system.console.setFaults([]);
      await system.until(async () => {
        const { raw } = await system.handle(ns, 'parent').describe();
        return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'awaitGroup') ? true : undefined;
      }, 'the parent to read the outcome');
      await system.say(ns, 'inner', 'retryMember', 'in-2');
      await system.outcome(ns, 'parent');
    },
  },
  {
    name: 'words',
    files: (ns) => ({ 'app.yaml': app(ns, { tiers: [{ members: ['db-1', 'db-2'], delay: '60s' }, { members: ['app-1'] }] }) }),
    then: async (system, ns) => {
      await system.until(() => (system.view(ns, 'app')?.run?.progress?.tiers[1]?.phase === 'Delay' ? true : undefined), 'the delay');
      await system.say(ns, 'app', 'pause');
      await system.say(ns, 'app', 'skipDelay');
      await system.say(ns, 'app', 'resume');
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'aborted',
    files: (ns) => ({ 'app.yaml': app(ns) }),
    then: async (system, ns) => {
      await first(system, ns);
      await system.say(ns, 'app', 'abort');
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'superseded',
    files: (ns) => ({ 'app.yaml': app(ns, { tiers: [{ members: ['db-1', 'db-2'], delay: '60s' }, { members: ['app-1'] }] }) }),
    then: async (system, ns) => {
      await first(system, ns);
      system.remove('app.yaml');
      await system.handle(ns, 'app').result();
    },
  },
  {
    name: 'aborted-places-given-back',
    files: (ns) => ({ 'app.yaml': app(ns, { tiers: WAITING }) }),
    then: async (system, ns) => {
      await first(system, ns);
      await system.say(ns, 'app', 'abort');
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'terminated-cleaned-up',
    files: (ns) => ({ 'app.yaml': app(ns, { tiers: WAITING }) }),
    then: async (system, ns) => {
      await first(system, ns);
      await system.handle(ns, 'app').terminate('wrong button');
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'cancelled-then-edited',
    files: (ns) => ({ 'app.yaml': app(ns, { tiers: WAITING }) }),
    then: async (system, ns) => {
      await first(system, ns);
      const answer = await cancelHeld(system, ns, 'app');
      system.write('app.yaml', app(ns, { tiers: WAITING, powerState: 'PoweredOff' }));
      await system.until(async () => effects(await system.journal(), ns).includes('PoweredOff db-1'), 'the new desired state');
      answer();
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'cancelled-then-aborted',
    group: 'parent',
    files: nested,
    then: async (system, ns) => {
      await system.console.setFaults([{ type: 'Stuck', vm: `${ns}/in-1` }]);
      await system.until(() => isNestedOpen(system, ns, 2), 'the nested run');
      const answer = await cancelHeld(system, ns, 'parent');
      system.write('parent.yaml', nested(ns, 'added')['parent.yaml'] ?? '');
      await system.until(() => isNestedOpen(system, ns, 3), 'the nested run again');
      answer();
      await system.until(() => system.view(ns, 'parent')?.run?.progress?.words.length === 1, 'the run to learn who cancelled it');
      await system.say(ns, 'parent', 'abort');
      await system.outcome(ns, 'inner');
      await system.outcome(ns, 'parent');
    },
  },
  {
    name: 'superseded-places-given-back',
    files: (ns) => ({ 'app.yaml': app(ns, { tiers: WAITING }) }),
    then: async (system, ns) => {
      await first(system, ns);
      system.remove('app.yaml');
      await system.handle(ns, 'app').result();
    },
  },
  { name: 'parked-and-retried', files: (ns) => ({ 'policy.yaml': policyManifest(ns, 'default', failing), 'app.yaml': app(ns) }), then: parked(true) },
  { name: 'parked-open', open: true, files: (ns) => ({ 'policy.yaml': policyManifest(ns, 'default', failing), 'app.yaml': app(ns) }), then: parked(false) },
  {
    name: 'parked-continue',
    files: (ns) => ({ 'policy.yaml': policyManifest(ns, 'default', { ...failing, whenParked: 'Continue' }), 'app.yaml': app(ns) }),
    then: async (system, ns) => {
      await fault(system, ns);
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'parked-fail',
    files: (ns) => ({ 'policy.yaml': policyManifest(ns, 'default', { ...failing, whenParked: 'Fail' }), 'app.yaml': app(ns) }),
    then: async (system, ns) => {
      await fault(system, ns);
      await system.outcome(ns, 'app');
    },
  },
  {
    name: 'skipped-and-marked',
    files: (ns) => ({ 'policy.yaml': policyManifest(ns, 'default', failing), 'app.yaml': app(ns) }),
    then: async (system, ns) => {
      await parked(false)(system, ns);
      await system.say(ns, 'app', 'markReady', 'app-1');
      await system.outcome(ns, 'app');
    },
  },
];

const inDelay = (system: System, ns: string): Promise<unknown> =>
  system.until(() => (system.view(ns, 'app')?.run?.progress?.tiers[1]?.phase === 'Delay' ? true : undefined), 'the delay');

const phaseOf = (system: System, ns: string, phase: MemberPhase): Promise<unknown> =>
  system.until(() => (system.view(ns, 'app')?.run?.progress?.members[0]?.phase === phase ? true : undefined), `db-1 to be ${phase}`);

async function skipDelay(system: System, ns: string): Promise<void> {
  await inDelay(system, ns);
  await system.say(ns, 'app', 'skipDelay');
  await system.outcome(ns, 'app');
}

function nested(ns: string, ...added: string[]): Record<string, string> {
  return {
    'parent.yaml': groupWithVms({ namespace: ns, name: 'parent', powerState: 'PoweredOn', tiers: [{ members: ['group:inner'], delay: '1s' }, { members: ['last', ...added] }] }),
    'inner.yaml': groupWithVms({ namespace: ns, name: 'inner', groupName: 'parent', tiers: [{ members: ['in-1'] }, { members: ['in-2'] }] }),
  };
}

/** Whether the parent, with this many members, waits for its nested group, whose first VM is asked for. */
function isNestedOpen(system: System, ns: string, members: number): boolean {
  const of = (group: string) => system.view(ns, group)?.run?.progress?.members ?? [];
  return of('parent').length === members && of('parent')[0]?.phase === 'InProgress' && of('inner')[0]?.phase === 'InProgress';
}

function nestedParked(ns: string): Record<string, string> {
  return { ...nested(ns), 'policy.yaml': policyManifest(ns, 'default', { retry: { maximumAttempts: 1 } }) };
}

/** Retries a parked nested group once its parent waits for it without an activity. */
async function retryNested(system: System, ns: string): Promise<void> {
  await system.console.setFaults([{ type: 'TransientError', vm: `${ns}/in-2` }]);
  await system.until(() => {
    const [member] = system.view(ns, 'parent')?.run?.progress?.members ?? [];
    return member?.phase === 'InProgress' && member.activityId === undefined && system.view(ns, 'inner')?.run?.progress?.members[1]?.phase === 'Parked';
  }, 'the parent to wait without an activity');
  await system.console.setFaults([]);
  await system.say(ns, 'inner', 'retryMember', 'in-2');
  await system.outcome(ns, 'parent');
}

function parked(retry: boolean) {
  return async (system: System, ns: string): Promise<void> => {
    await fault(system, ns);
    await system.until(() => (system.view(ns, 'app')?.run?.progress?.members.some(({ phase }) => phase === 'Parked') ? true : undefined), 'a parked member');
    await system.console.setFaults([]);
    if (!retry) return;
    await system.say(ns, 'app', 'retryMember', 'app-1');
    await system.outcome(ns, 'app');
  };
}

/** On the client of each worker; set by `main`. */
let cancellations: HeldCancellations;

/** Cancels a run, which stays open until the returned function is called, or 15 seconds have passed. */
async function cancelHeld(system: System, ns: string, group: string): Promise<() => void> {
  const id = workflowId(ns, group);
  const answer = cancellations.hold(id);
  await system.handle(ns, group).cancel();
  await system.until(() => cancellations.isAwaited(id), `${id} to be cancelled`);
  return answer;
}

function isRecorded(name: string): boolean {
  return existsSync(path.join(__dirname, `${name}.json`));
}

async function save(temporal: TestTemporal, file: string, id: string, runId?: string): Promise<void> {
  const history = await temporal.client.workflow.getHandle(id, runId).fetchHistory();
  // Stack traces hold paths of the machine that recorded them, and replay does not look at them.
  const portable = JSON.stringify(
    JSON.parse(historyToJSON(history)),
    (key, value: unknown) => (key === 'stackTrace' ? '' : value),
    1,
  );
  writeFileSync(path.join(__dirname, `${file}.json`), `${portable}\n`);
  process.stdout.write(`${file}: ${history.events?.length ?? 0} events\n`);
}

async function record(temporal: TestTemporal, each: Case): Promise<void> {
  const namespace = `history-${each.name}`;
  const system = await startSystem(temporal, each.files(namespace), {}, { ...(each.groupWait !== undefined && { groupWait: each.groupWait }) });
  try {
    if (each.then) await each.then(system, namespace);
    else await system.outcome(namespace, 'app');
    await save(temporal, each.name, workflowId(namespace, each.group ?? 'app'));
    if (each.open) await system.say(namespace, 'app', 'abort');
  } finally {
    await system.stop();
  }
}

/** A run that continues as new in its middle: the server suggests it early. Both executions are kept. */
async function recordContinued(): Promise<void> {
  const temporal = await startTemporal({ args: ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=20'] });
  const namespace = 'history-continued';
  const system = await startSystem(temporal, { 'app.yaml': app(namespace, { tiers: SHAPE.tiers.map(({ members }) => ({ members, delay: '1s' })) }) });
  try {
    await system.outcome(namespace, 'app');
    const runs = temporal.client.workflow.list({ query: `WorkflowId = '${workflowId(namespace, 'app')}'` });
    const ids: { runId: string; at: number }[] = [];
    for await (const { runId, startTime } of runs) ids.push({ runId, at: startTime.getTime() });
    ids.sort((a, b) => a.at - b.at);
    for (const [index, { runId }] of ids.entries()) {
      await save(temporal, `continued-as-new-${index + 1}`, workflowId(namespace, 'app'), runId);
    }
  } finally {
    await system.stop();
    await temporal.stop();
  }
}

async function main(): Promise<void> {
  const missing = CASES.filter(({ name }) => !isRecorded(name));
  const temporal = await startTemporal();
  cancellations = new HeldCancellations(temporal.client);
  try {
    for (const each of missing) await record(temporal, each);
  } finally {
    await temporal.stop();
  }
  if (!isRecorded('continued-as-new-1')) await recordContinued();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
