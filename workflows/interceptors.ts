/**
 * Interceptors of the workflow: what every log line of a run carries, in the workflow and in its activities, and the trace that its activities
 * belong to.
 *
 * LOG-1: they issue no commands, change no arguments and await nothing: a history replays with and without them, and whether its run is traced
 *     or not.
 */
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { applyPlan, REVISION_HEADER, TRACE_HEADER } from '../contract';
import { noteTrace, runInForce, type RunInForce } from './driver';

/** Longest trace context that is passed on, bytes: it stays in the history with every activity. */
const LONGEST_TRACE = 1_000;

/** Called by Temporal's SDK for each workflow. */
export const interceptors = (): WorkflowInterceptors => ({
  inbound: [
    {
      execute: (input, next) => {
        follow(input.headers);
        return next(input);
      },
      handleSignal: (input, next) => {
        // What a run does follows from its plan: each new one begins another trace.
        if (input.signalName === applyPlan.name) follow(input.headers);
        return next(input);
      },
    },
  ],
  outbound: [
    {
      getLogAttributes: (attributes, next) => next({ ...attributes, ...logFields() }),
      scheduleActivity: (input, next) => next({ ...input, headers: { ...input.headers, ...headers() } }),
      continueAsNew: (input, next) => next({ ...input, headers: { ...input.headers, ...headers() } }),
    },
  ],
});

function follow({ [TRACE_HEADER]: trace }: Headers): void {
  if (trace && (trace.data?.length ?? 0) <= LONGEST_TRACE) noteTrace(trace);
}

/** The headers of the run in force: a thousand activities that start at once have the same ones. */
let last: { of: RunInForce; headers: Headers } | undefined;

function headers(): Headers {
  const of = runInForce();
  if (last?.of !== of) last = { of, headers: headersOf(of) };
  return last.headers;
}

function headersOf({ revision, trace }: RunInForce): Headers {
  const header = revision === undefined ? undefined : defaultPayloadConverter.toPayload(revision);
  return { ...(header && { [REVISION_HEADER]: header }), ...(trace && { [TRACE_HEADER]: trace }) };
}

function logFields(): Record<string, unknown> {
  const { revision } = runInForce();
  return revision === undefined ? {} : { revision };
}
