/**
 * Traces of activities.
 *
 * Guarantees: G3.
 */
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityExecuteInput } from '@temporalio/worker';
import { Context } from '@temporalio/activity';
import { TRACE_HEADER } from '../../contract';
import { startTracing, type Tracing } from '../../worker/tracing';

let tracing: Tracing;
beforeAll(() => (tracing = startTracing('http://127.0.0.1:1', 'test')));
afterAll(() => tracing.stop());

/** Runs an activity under the interceptors, as a worker does. */
function execute(headers: ActivityExecuteInput['headers']): Promise<unknown> {
  return new MockActivityEnvironment().run(() => {
    const inbound = tracing.activity.map((factory) => factory(Context.current()).inbound ?? {});
    const activity = async (): Promise<string> => 'done';
    const next = inbound.reduceRight<(input: ActivityExecuteInput) => Promise<unknown>>(
      (after, interceptor) => (input) => interceptor.execute?.(input, after) ?? after(input),
      activity,
    );
    return next({ args: [], headers });
  });
}

const data = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each<[string, Payload]>([
  ['that is not JSON', { metadata: { encoding: data('json/plain') }, data: data('{') }],
  ['of an unknown encoding', { metadata: { encoding: data('binary/encrypted') }, data: data('x') }],
  ['without an encoding', { data: data('x') }],
  ['that is no context', defaultPayloadConverter.toPayload('text')],
  ['that is nothing', defaultPayloadConverter.toPayload(null)],
])('TRACE-4: a context %s does not keep an activity from its work', async (_what, payload) => {
  expect(await execute({ [TRACE_HEADER]: payload, other: payload })).toBe('done');
});

test('an activity without a context does its work', async () => {
  expect(await execute({})).toBe('done');
});
