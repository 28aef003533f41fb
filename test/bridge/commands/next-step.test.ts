/** Which step a command takes, and where it goes: COMMAND-1 as tables. */
import { trimCommand, type CommandObject } from '../../../bridge/commands';
import {
  afterRun,
  LONGEST_WAIT,
  nextStep,
  OLDEST,
  STAMP_PATIENCE,
  targetOf,
} from '../../../bridge/commands/next-step';
import { Stamps } from '../../../bridge/stamps';

const CREATED = '2026-11-29T01:00:00Z';
const NOW = Date.parse(CREATED) + 1_000;
const retry = { group: 'app', command: 'retry', reason: 'INC-1', actor: 'anna' };

function object(spec: object, status?: object, annotations: Record<string, string> = {}): CommandObject {
  const metadata = {
    name: 'retry-x',
    generateName: 'retry-',
    namespace: 'prod',
    uid: 'u-1',
    creationTimestamp: CREATED,
    annotations,
    managedFields: [{ manager: 'kubectl-create' }],
  };
  const trimmed = trimCommand({ metadata, spec, ...(status && { status }) });
  if (!trimmed) throw new Error('it is not there');
  return trimmed;
}

const step = (
  command: CommandObject,
  more: Partial<Parameters<typeof nextStep>[0]> = {},
): ReturnType<typeof nextStep> => nextStep({ command, stamps: undefined, seenFor: 0, now: NOW, ...more });

function stampsOf(key: string): Stamps {
  const stamps = new Stamps();
  stamps.use(key);
  return stamps;
}

const subject = {
  kind: 'OperatorCommand',
  namespace: 'prod',
  generateName: 'retry-',
  generation: 1,
  spec: retry,
};

test('without a webhook the actor is what the object claims, or the client that wrote it', () => {
  expect(step(object(retry))).toMatchObject({
    step: 'Send',
    sendable: {
      group: { namespace: 'prod', name: 'app' },
      verb: 'retryMember',
      updateId: 'operatorcommand-u-1',
      argument: { actor: 'anna', reason: 'INC-1' },
      actor: { known: false },
    },
  });
  const { actor: _actor, ...unnamed } = retry;
  expect(step(object(unnamed))).toMatchObject({
    sendable: { argument: { actor: 'unknown (kubectl-create)' } },
  });
});

test('with a webhook only its stamp counts', () => {
  const stamps = stampsOf('key of the webhook');
  const stamped = stamps.make(subject, 'alice', NOW);
  expect(step(object(retry, undefined, stamped), { stamps })).toMatchObject({
    step: 'Send',
    sendable: { argument: { actor: 'alice', known: true }, actor: { name: 'alice', known: true } },
  });
  const forgeries = [
    {},
    stampsOf('another key').make(subject, 'alice', NOW),
    { ...stamped, 'vmgroup.dev/changed-by': 'root' },
    stamps.make({ ...subject, spec: { ...retry, command: 'pause' } }, 'alice', NOW),
    stamps.make({ ...subject, namespace: 'test' }, 'alice', NOW),
  ];
  for (const annotations of forgeries) {
    const command = object(retry, undefined, annotations);
    expect(step(command, { stamps })).toMatchObject({ step: 'Wait' });
    expect(step(command, { stamps, seenFor: STAMP_PATIENCE })).toMatchObject({
      step: 'Refuse',
      message: expect.stringContaining('so its author is unknown') as string,
    });
  }
});

test('STAMP-2: stamps by the key before are read', () => {
  const stamps = stampsOf('old');
  const stamped = stamps.make(subject, 'alice', NOW);
  stamps.use('new');
  expect(stamps.read(subject, stamped)).toEqual({ user: 'alice', at: new Date(NOW).toISOString() });
});

test('a command that is too old is refused, unless an execution was asked already', () => {
  const old = [{ seenFor: LONGEST_WAIT + 1 }, { now: NOW + OLDEST }];
  for (const when of old) {
    expect(step(object(retry), when)).toMatchObject({ step: 'Refuse' });
    expect(step(object(retry, { phase: 'Sending', runId: 'r-1' }), when)).toMatchObject({ step: 'Send' });
  }
});

test('what is finished or cannot be read is not sent', () => {
  for (const phase of ['Done', 'Refused', 'Failed'])
    expect(step(object(retry, { phase }))).toEqual({ step: 'None' });
  expect(step(object({ ...retry, command: 'explode' }))).toMatchObject({ step: 'Refuse' });
});

describe('COMMAND-1: where a command goes', () => {
  const group = { namespace: 'prod', name: 'app' };
  const open = { runId: 'r-2', open: true };
  const closed = { runId: 'r-2', open: false };
  const target = (
    verb: 'retryMember' | 'abort',
    ...rest: [runId: string | undefined, last?: typeof open, closed?: boolean]
  ) => {
    const [runId, last, isClosed] = rest;
    return targetOf({ verb, group }, runId === undefined ? {} : { runId }, last, isClosed);
  };

  test.each([
    ['to the open run', target('abort', undefined, open), { to: 'Run', runId: 'r-2' }],
    [
      'to the run that was noted, whichever is open',
      target('abort', 'r-1', open),
      { to: 'Run', runId: 'r-1' },
    ],
    [
      'to the next run once the noted one has closed',
      target('abort', 'r-1', open, true),
      { to: 'Run', runId: 'r-2' },
    ],
    ['to no run', target('abort', undefined, closed), { to: 'NoRun' }],
    ['a retry to a new run', target('retryMember', undefined, closed), { to: 'NewRun', before: 'r-2' }],
    ['a retry to the first run', target('retryMember', undefined), { to: 'NewRun', before: '' }],
    [
      'a retry whose run was not started yet',
      target('retryMember', afterRun('r-2'), closed),
      { to: 'NewRun' },
    ],
    ['a retry whose run was started', target('retryMember', afterRun('r-1'), closed), { to: 'Started' }],
    ['a retry whose first run was started', target('retryMember', afterRun(''), open), { to: 'Started' }],
  ])('%s', (_name, found, wanted) => {
    expect(found).toMatchObject(wanted);
  });
});
