import { runRecord } from '../../../cli/export/run-record';

const payload = (value: unknown) => ({ payloads: [{ data: Buffer.from(JSON.stringify(value)) }] });
const decode = (payloads: ReturnType<typeof payload> | null | undefined): unknown[] =>
  (payloads?.payloads ?? []).map(({ data }) => JSON.parse(data.toString()) as unknown);

const at = (eventId: number, seconds: number) => ({ eventId, eventTime: { seconds, nanos: 500_000_000 } });
const summary = (text: string) => ({ userMetadata: { summary: payload(text).payloads[0] } });

const EVENTS = [
  {
    ...at(1, 0),
    workflowExecutionSignaledEventAttributes: {
      signalName: 'applyPlan',
      input: payload({
        plan: { powerState: 'PoweredOn', revision: 'abc' },
        cause: 'Asked',
        actor: 'kim',
        reason: 'drill',
      }),
    },
  },
  { ...at(2, 1), ...summary('wait'), timerStartedEventAttributes: { startToFireTimeout: { seconds: 30 } } },
  { ...at(3, 31), timerFiredEventAttributes: { startedEventId: 2 } },
  { ...at(4, 31), activityTaskScheduledEventAttributes: { activityId: 'power-on/db' } },
  {
    ...at(5, 32),
    workflowExecutionSignaledEventAttributes: {
      signalName: 'attemptFailed',
      input: payload({
        activityId: 'power-on/db',
        attempt: { attempt: 1, class: 'Transient', message: 'busy' },
      }),
    },
  },
  {
    ...at(6, 33),
    activityTaskFailedEventAttributes: { scheduledEventId: 4, failure: { message: 'no host' } },
  },
  {
    ...at(7, 34),
    workflowExecutionUpdateAcceptedEventAttributes: {
      acceptedRequest: {
        input: { name: 'skipMember', args: payload({ member: 'db', actor: 'lee', reason: 'broken' }) },
      },
    },
  },
  { ...at(8, 34), workflowTaskCompletedEventAttributes: {} },
  {
    ...at(9, 35),
    workflowExecutionCompletedEventAttributes: { result: payload({ outcome: 'Failed', message: 'why' }) },
  },
  { ...at(10, 36), workflowExecutionTerminatedEventAttributes: { identity: 'ui', reason: 'enough' } },
];

test('who did what and when, from the history alone', () => {
  const record = runRecord(
    EVENTS as unknown as Parameters<typeof runRecord>[0],
    decode as Parameters<typeof runRecord>[1],
  );
  expect(record.map(({ time, who, what, detail }) => [time.slice(17), who, what, detail])).toEqual([
    ['00.500Z', 'kim', 'plan: PoweredOn, revision abc (Asked)', 'drill'],
    ['01.500Z', 'vmgroup', 'delay of 30s began', 'wait'],
    ['31.500Z', 'vmgroup', 'delay ended', 'wait'],
    ['31.500Z', 'vmgroup', 'asked: power-on/db', undefined],
    ['32.500Z', 'vmgroup', 'attempt 1 failed: power-on/db', 'Transient: busy'],
    ['33.500Z', 'vmgroup', 'gave up: power-on/db', 'no host'],
    ['34.500Z', 'lee', 'skipMember db', 'broken'],
    ['35.500Z', 'vmgroup', 'ended: Failed', 'why'],
    ['36.500Z', 'ui', 'terminated', 'enough'],
  ]);
});
