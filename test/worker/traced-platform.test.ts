/** Calls to a platform as spans: what they tell, and that they change nothing (TRACE-3). */
import { SpanStatusCode } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { PlatformError, type Platform } from '../../platforms';
import { tracedPlatform } from '../../worker/traced-platform';

const exporter = new InMemorySpanExporter();
const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer(
  'test',
);
const vm = { namespace: 'prod', name: 'db', uid: 'u' };

/** A platform with private state, as the real ones have. */
class Fake {
  readonly name = 'fake';
  readonly #asked: string[] = [];

  asked = (): readonly string[] => this.#asked;

  async read(): Promise<undefined> {
    this.#asked.push('read');
  }

  async power({ operation }: { operation: { id: string } }): Promise<string> {
    this.#asked.push(operation.id);
    return operation.id;
  }

  async place(): Promise<never> {
    throw new PlatformError('NoCapacity', `no room ${'x'.repeat(5_000)}`);
  }

  async release(): Promise<never> {
    throw new Error('odd');
  }
}

const fake = new Fake();
const platform = tracedPlatform(fake as unknown as Platform, tracer);

/** Name, attributes and status of the one span that there is. */
function told(): { name: string; attributes: object; status: { code: SpanStatusCode; message?: string } } {
  const [span, ...more] = exporter.getFinishedSpans();
  expect(more).toEqual([]);
  exporter.reset();
  if (!span) throw new Error('there is no span');
  return span;
}

test('a power operation: VM, operation, class; the platform is asked as before', async () => {
  const operation = { id: 'power-on/db', sequence: 7 };
  const request = { vm, operation, powerState: 'PoweredOn', guestShutdownTimeout: 0, caller: 'c' } as const;
  expect(await platform.power(request)).toBe('power-on/db');
  expect(told()).toMatchObject({
    name: 'Platform:power',
    attributes: {
      'vmgroup.platform': 'fake',
      'vmgroup.vm': 'prod/db',
      'vmgroup.operation': 'power-on/db',
      'vmgroup.sequence': 7,
      'vmgroup.power_state': 'PoweredOn',
      'vmgroup.class': 'None',
    },
  });
  await platform.read(vm);
  expect(exporter.getFinishedSpans()).toEqual([]);
  expect(fake.asked()).toEqual(['power-on/db', 'read']);
});

test('a failure: its class and a bounded message, and the same error', async () => {
  const placing = platform.place([{ vm } as never], { caller: 'c', sequence: 3 });
  await expect(placing).rejects.toMatchObject({ failureClass: 'NoCapacity' });
  const { attributes, status } = told();
  expect(attributes).toMatchObject({
    'vmgroup.vms': 1,
    'vmgroup.sequence': 3,
    'vmgroup.class': 'NoCapacity',
  });
  expect(status.code).toBe(SpanStatusCode.ERROR);
  expect(status.message).toMatch(/^PlatformError: no room x/);
  expect(Buffer.byteLength(status.message ?? '')).toBeLessThanOrEqual(1_000);
  await expect(platform.release([vm], { caller: 'c', sequence: 4 })).rejects.toThrow('odd');
  expect(told().attributes).toMatchObject({ 'vmgroup.sequence': 4, 'vmgroup.class': 'Unknown' });
});

test('what a platform lacks is still lacking', () => {
  expect(Reflect.get(platform, 'answer')).toBeUndefined();
  expect(platform.name).toBe('fake');
});
