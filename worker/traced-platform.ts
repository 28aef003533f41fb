/**
 * A platform each call of which is a span, under the activity that makes it.
 *
 * TRACE-3: a call is not changed: its result and its error are those of the platform. Reads and watches, of which there are many, have no spans.
 */
import { SpanKind, SpanStatusCode, type Attributes, type Tracer } from '@opentelemetry/api';
import { fitText } from '../api/text';
import { PlatformError, virtualMachineKey, type Platform } from '../platforms';

/** Longest message of an error in a span, bytes. */
const MESSAGE_BYTES = 1_000;

/** The attributes of the span of each call that changes something, from the arguments of the call. */
const ATTRIBUTES = {
  power: (...[{ vm, operation, powerState }]: Parameters<Platform['power']>): Attributes => ({
    'vmgroup.vm': virtualMachineKey(vm),
    'vmgroup.operation': operation.id,
    'vmgroup.sequence': operation.sequence,
    'vmgroup.power_state': powerState,
  }),
  place: (...[requests, { sequence }]: Parameters<Platform['place']>): Attributes => ({
    'vmgroup.vms': requests.length,
    ...(sequence !== undefined && { 'vmgroup.sequence': sequence }),
  }),
  release: (...[vms, { sequence }]: Parameters<Platform['release']>): Attributes => ({
    'vmgroup.vms': vms.length,
    'vmgroup.sequence': sequence,
  }),
  answer: (...[vm, { question, choice }]: Parameters<NonNullable<Platform['answer']>>): Attributes => ({
    'vmgroup.vm': virtualMachineKey(vm),
    'vmgroup.question': question,
    'vmgroup.choice': choice,
  }),
};

/** A platform whose calls `power`, `place`, `release` and `answer` are spans `Platform:NAME`. `vmgroup.class` is the class of the failure, or `None`. */
export function tracedPlatform(platform: Platform, tracer: Tracer): Platform {
  return new Proxy(platform, {
    get: (target, name): unknown => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...args: never[]) => Promise<unknown>;
      if (!isTraced(name)) return call;
      const attributesOf = ATTRIBUTES[name] as (...args: never[]) => Attributes;
      return (...args: never[]) =>
        inSpan(
          tracer,
          `Platform:${name}`,
          { 'vmgroup.platform': platform.name, ...attributesOf(...args) },
          () => call(...args),
        );
    },
  });
}

function isTraced(name: string | symbol): name is keyof typeof ATTRIBUTES {
  return typeof name === 'string' && Object.hasOwn(ATTRIBUTES, name);
}

function inSpan<T>(tracer: Tracer, name: string, attributes: Attributes, call: () => Promise<T>): Promise<T> {
  return tracer.startActiveSpan(name, { kind: SpanKind.CLIENT, attributes }, async (span) => {
    try {
      const result = await call();
      span.setAttribute('vmgroup.class', 'None');
      return result;
    } catch (error: unknown) {
      const { failureClass = 'Unknown' } = error instanceof PlatformError ? error : {};
      span.setAttribute('vmgroup.class', failureClass);
      span.setStatus({ code: SpanStatusCode.ERROR, message: fitText(String(error), MESSAGE_BYTES) });
      throw error;
    } finally {
      span.end();
    }
  });
}
