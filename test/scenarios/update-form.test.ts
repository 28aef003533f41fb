/**
 * Every operator command through the form "Send an Update" of Temporal's UI: the requests are those of the form, to the UI's own server, with its
 * protection against requests of other pages. The form has a name and JSON arguments; who sends it is the identity of the request.
 *
 * Guarantees: G7.
 */
import { randomUUID } from 'node:crypto';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import {
  OPERATOR_VERBS,
  UNNAMED_ACTOR,
  workflowId,
  type MemberPhase,
  type OperatorVerb,
} from '../../contract';
import { deriveEvents, type CommandReceived } from '../../record';
import { groupWithVms, policyManifest } from '../support/manifests';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { beginTogether, endedTogether, together } from '../support/together';

jest.setTimeout(120_000);

let temporal: TestTemporal;
let system: System;
/** What the UI's page gives to a browser. */
let csrf: string;

beforeAll(async () => {
  temporal = await startTemporal({ ui: true });
  const faults = [
    { type: 'PermanentError', vm: 'bad' },
    { type: 'Question', vm: 'asks' },
  ] as const;
  system = await startSystem(temporal, {}, { faults: [...faults] });
  const { headers } = await fetch(`${temporal.ui}/`);
  [, csrf = ''] = /_csrf=([^;]+)/.exec(headers.get('set-cookie') ?? '') ?? [];
  beginTogether();
});
afterAll(async () => {
  await endedTogether();
  await system?.stop();
  await temporal?.stop();
});

interface Answer {
  status: number;
  /** The answer of the run, or why it refuses. */
  text: string;
}

const decoded = (payloads: { data: string }[] | undefined): { message: string } =>
  JSON.parse(Buffer.from(payloads?.[0]?.data ?? '', 'base64').toString() || '{}') as { message: string };

/** Sends what the form sends; `identity` is present if a user is logged in to the UI. */
async function send(
  namespace: string,
  verb: OperatorVerb,
  argument: unknown,
  identity?: string,
): Promise<Answer> {
  const id = encodeURIComponent(workflowId(namespace, 'app'));
  const payload = {
    metadata: { encoding: Buffer.from('json/plain').toString('base64') },
    data: Buffer.from(JSON.stringify(argument)).toString('base64'),
  };
  const { runId } = await system.handle(namespace, 'app').describe();
  const response = await fetch(`${temporal.ui}/api/v1/namespaces/default/workflows/${id}/update/${verb}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: `_csrf=${csrf}`, 'x-csrf-token': csrf },
    body: JSON.stringify({
      workflowExecution: { runId },
      request: {
        meta: { updateId: randomUUID(), ...(identity !== undefined && { identity }) },
        input: { args: { payloads: [payload] } },
      },
    }),
  });
  const body = (await response.json()) as {
    message?: string;
    outcome?: { success?: { payloads: { data: string }[] }; failure?: { message: string } };
  };
  const { success, failure } = body.outcome ?? {};
  return {
    status: response.status,
    text: failure?.message ?? (success ? decoded(success.payloads).message : (body.message ?? '')),
  };
}

/** Starts a group and waits until one of its members is in a phase. */
async function begin(
  namespace: string,
  members: string[],
  phase: MemberPhase,
  delay?: string,
): Promise<void> {
  const policy = { retry: { maximumAttempts: 1, initialInterval: '100ms', maximumInterval: '100ms' } };
  system.write(`${namespace}-policy.yaml`, policyManifest(namespace, 'default', policy));
  const tiers = [{ members, ...(delay !== undefined && { delay }) }, { members: ['last'] }];
  system.write(`${namespace}.yaml`, groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers }));
  await system.until(
    () => system.view(namespace, 'app')?.run?.progress?.members.some((each) => each.phase === phase),
    `a member of ${namespace}/app to be ${phase}`,
  );
}

/** The commands of the run, as the record has them. */
async function recorded(namespace: string): Promise<CommandReceived[]> {
  const handle = system.handle(namespace, 'app');
  const { runId } = await handle.describe();
  const history = JSON.parse(historyToJSON(await handle.fetchHistory())) as unknown;
  const { events } = deriveEvents(history, { workflowId: handle.workflowId, runId });
  return events.filter((event): event is typeof event & CommandReceived => event.kind === 'CommandReceived');
}

const reason = 'INC-1';
const sent = new Set<OperatorVerb>();

function form(verbs: OperatorVerb[], name: string, body: () => Promise<void>): void {
  for (const verb of verbs) sent.add(verb);
  together(name, body);
}

form(['pause', 'resume', 'skipDelay', 'abort'], 'pause, resume, skipDelay and abort', async () => {
  await begin('whole', ['first'], 'Done', '30m');
  expect(await send('whole', 'pause', { reason }, 'anna@example.com')).toMatchObject({
    status: 200,
    text: 'Nothing new starts until resume; open operations continue.',
  });
  await system.until(
    () => system.view('whole', 'app')?.run?.progress?.phase === 'Paused',
    'the run to be paused',
  );
  expect(await send('whole', 'skipDelay', { reason })).toMatchObject({ text: 'The delay ends now.' });
  expect(await send('whole', 'abort', { reason, actor: 'otto' })).toMatchObject({
    text: 'The run ends; nothing more is started.',
  });
  expect(await system.outcome('whole', 'app')).toMatchObject({
    outcome: 'Cancelled',
    message: `Aborted by otto: ${reason}; no place is kept for last`,
    words: [
      { verb: 'pause', actor: UNNAMED_ACTOR },
      { verb: 'skipDelay', actor: UNNAMED_ACTOR },
      { verb: 'abort', actor: 'otto' },
    ],
  });
  expect(await recorded('whole')).toMatchObject([
    {
      verb: 'pause',
      actor: { name: 'anna@example.com', known: false },
      identity: 'anna@example.com',
      reason,
    },
    { verb: 'skipDelay', actor: { name: UNNAMED_ACTOR, known: false } },
    { verb: 'abort', actor: { name: 'otto', known: false } },
  ]);
});

form(['retryMember', 'skipMember', 'resume'], 'retryMember and skipMember', async () => {
  await begin('skipped', ['bad'], 'Parked');
  expect(await send('skipped', 'retryMember', { reason })).toMatchObject({ text: 'Retrying bad.' });
  expect(await send('skipped', 'resume', { reason })).toMatchObject({ text: 'The run continues.' });
  expect(await send('skipped', 'skipMember', { member: 'bad', reason })).toMatchObject({
    status: 200,
    text: 'bad is left out.',
  });
  expect(await system.outcome('skipped', 'app')).toMatchObject({
    outcome: 'ConvergedWithExceptions',
    exceptions: [{ member: 'bad', reason: 'Skipped' }],
  });
});

form(['markReady'], 'markReady', async () => {
  await begin('marked', ['bad'], 'Parked');
  expect(await send('marked', 'markReady', { member: 'bad', reason }, 'anna')).toMatchObject({
    text: 'bad counts as ready.',
  });
  expect(await system.outcome('marked', 'app')).toMatchObject({ exceptions: [{ reason: 'MarkedReady' }] });
});

form(['answer'], 'answer', async () => {
  await begin('asked', ['asks'], 'InProgress');
  const wanted = { member: 'asks', choice: 'moved', reason };
  await system.until(
    async () => (await send('asked', 'answer', wanted)).text.startsWith('Answered moved'),
    'the answer to be taken',
  );
  expect(await system.outcome('asked', 'app')).toMatchObject({ outcome: 'Converged' });
});

together('what the form sends wrongly is refused in words, and who types "known" is not known', async () => {
  await begin('wrong', ['bad'], 'Parked');
  const refused = async (verb: OperatorVerb, argument: unknown): Promise<string> =>
    (await send('wrong', verb, argument)).text;
  expect(await refused('abort', {})).toContain('reason is missing');
  expect(await refused('abort', { reason, actor: '' })).toContain('actor is missing');
  expect(await refused('abort', 'now')).toContain('the argument must be one object');
  expect(await refused('skipMember', { reason })).toContain('member is missing');
  expect(await recorded('wrong')).toEqual([]);
  expect(await refused('pause', { reason, actor: 'root', known: true })).toContain('Nothing new starts');
  expect(await recorded('wrong')).toMatchObject([{ actor: { name: 'root', known: false } }]);
});

test('no verb is left out', () => {
  expect([...sent].sort()).toEqual([...OPERATOR_VERBS].sort());
});
