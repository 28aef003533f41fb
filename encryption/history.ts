/** Histories as the server has them, with encrypted payloads, and readable ones. */
import { defaultPayloadConverter, type Payload, type PayloadCodec } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';

type Failure = temporal.api.failure.v1.IFailure;

/**
 * A copy of a value of the server, such as a history, in which all payloads are decoded, and failures have their messages back. A failure whose
 * attributes nothing can read keeps its own message.
 *
 * @throws what `codec` throws for a payload that it cannot decode.
 */
export async function decodePayloadsIn<T>(value: T, codec: PayloadCodec): Promise<T> {
  return (await decoded(value, codec)) as T;
}

async function decoded(value: unknown, codec: PayloadCodec): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((each) => decoded(each, codec)));
  if (!isRecord(value)) return value;
  if (isPayload(value)) return (await codec.decode([value]))[0];
  const entries = Object.entries(value).map(
    async ([key, each]) => [key, await decoded(each, codec)] as const,
  );
  const copy = Object.assign(
    Object.create(Object.getPrototypeOf(value) as object | null) as Record<string, unknown>,
    Object.fromEntries(await Promise.all(entries)),
  );
  return 'encodedAttributes' in copy ? withMessage(copy) : copy;
}

function withMessage(failure: Failure): Failure {
  const { encodedAttributes } = failure;
  if (!encodedAttributes) return failure;
  const { message, stack_trace: stackTrace } = attributesOf(encodedAttributes);
  return Object.assign(failure, {
    ...(typeof message === 'string' && { message }),
    ...(typeof stackTrace === 'string' && { stackTrace }),
    encodedAttributes: null,
  });
}

function attributesOf(payload: Payload): { message?: unknown; stack_trace?: unknown } {
  try {
    return defaultPayloadConverter.fromPayload<object | null>(payload) ?? {};
  } catch {
    return {};
  }
}

/** Objects of the server are instances of generated classes. `Long`, `Date` and bytes are left as they are. */
function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  return Object.keys(value).length > 0 && !('unsigned' in value);
}

function isPayload(value: Record<string, unknown>): value is Record<string, unknown> & Payload {
  const { metadata, data } = value;
  return isRecord(metadata) && (data === undefined || data === null || ArrayBuffer.isView(data));
}
