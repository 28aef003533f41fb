/**
 * The fields of log lines about runs.
 *
 * LOG-2: every line about a run has `namespace`, `group`, `runId` and `revision`, and `member` where it is about one. Temporal's own namespace is
 *     `temporalNamespace`.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { groupOfWorkflow, memberOfActivity, REVISION_HEADER } from '../contract';

/** The fields of a line of Temporal's SDK in our terms. A line about no workflow stays as it is, but for its namespace. */
export function runLogFields(fields: Record<string, unknown>): Record<string, unknown> {
  const { namespace: temporalNamespace, workflowRunId, ...rest } = fields;
  const { workflowId, activityId } = rest;
  const group = typeof workflowId === 'string' ? groupOfWorkflow(workflowId) : undefined;
  const member = typeof activityId === 'string' ? memberOfActivity(activityId) : undefined;
  return {
    ...(temporalNamespace !== undefined && { temporalNamespace }),
    ...group,
    // What the line names itself outranks what its activity is about.
    ...(group && member !== undefined && { member }),
    ...(workflowRunId !== undefined && { runId: workflowRunId }),
    ...rest,
  };
}

/** Adds the revision that the workflow has sent along to the log lines of an activity. */
export const activityLogFields: ActivityInterceptorsFactory = () => {
  let revision: unknown;
  return {
    inbound: {
      execute: (input, next) => {
        const header = input.headers[REVISION_HEADER];
        if (header) revision = revisionIn(header);
        return next(input);
      },
    },
    outbound: {
      getLogAttributes: (attributes, next) =>
        next(revision === undefined ? attributes : { ...attributes, revision }),
    },
  };
};

/** A header that cannot be read costs the field, not the activity. */
function revisionIn(header: Parameters<typeof defaultPayloadConverter.fromPayload>[0]): unknown {
  try {
    return defaultPayloadConverter.fromPayload(header);
  } catch {
    return undefined;
  }
}
