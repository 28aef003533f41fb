/**
 * Interceptors of the workflow: what every log line of a run carries, in the workflow and in its activities.
 *
 * LOG-1: they issue no commands and change no arguments: a history replays with and without them.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { REVISION_HEADER } from '../contract';
import { runInForce } from './driver';

/** Called by Temporal's SDK for each workflow. */
export const interceptors = (): WorkflowInterceptors => ({
  outbound: [
    {
      getLogAttributes: (attributes, next) => next({ ...attributes, ...logFields() }),
      scheduleActivity: (input, next) => {
        const { revision } = runInForce();
        if (revision === undefined) return next(input);
        const header = defaultPayloadConverter.toPayload(revision);
        return next({
          ...input,
          headers: { ...input.headers, ...(header && { [REVISION_HEADER]: header }) },
        });
      },
    },
  ],
});

function logFields(): Record<string, unknown> {
  const { revision } = runInForce();
  return revision === undefined ? {} : { revision };
}
