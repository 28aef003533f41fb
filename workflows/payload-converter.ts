/**
 * Converts the payloads of workflows. Part of the bundle, which loads it by its path.
 *
 * PAYLOAD-1: a payload that cannot be read becomes a text that says so, which no schema of a message accepts (RUN-4). Temporal's own converter
 *     throws, and the workflow task of such a signal fails again and again: clients may send any encoding.
 */
import { defaultPayloadConverter, type PayloadConverter } from '@temporalio/workflow';

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload: <T>(payload: Parameters<PayloadConverter['fromPayload']>[0]): T => {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch (error: unknown) {
      return `a payload that cannot be read: ${String(error)}` as T;
    }
  },
};
