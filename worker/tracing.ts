/**
 * Traces by OpenTelemetry: from the change of a spec, through the message to the run, to each power operation and the calls to the platform. Off unless an endpoint is named.
 *
 * TRACE-1: workflow code makes no spans: it passes the context of its plan on to its activities. So replay does not depend on tracing.
 * TRACE-2: a collector that does not answer delays and fails nothing: spans are sent in the background, and dropped beyond 2,048.
 * TRACE-4: a context that cannot be read costs an activity its place in the trace, not its attempt.
 */
import { context, SpanStatusCode, trace, type Attributes, type Tracer } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import {
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryWorkflowClientInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import type { ActivityExecuteInput, ActivityInterceptorsFactory } from '@temporalio/worker';
import { groupOfWorkflow, memberOfActivity, TRACE_HEADER, type PlanMessage } from '../contract';
import type { Platform } from '../platforms';
import { tracedPlatform } from './traced-platform';

/** The traces of a process. */
export interface Tracing {
  client: WorkflowClientInterceptor[];
  activity: ActivityInterceptorsFactory[];
  /** The platform as workers are to see it: its calls are spans. */
  platform: (platform: Platform) => Platform;
  /** Sends what waits. Does not reject. */
  stop(): Promise<void>;
}

/** A change before this many milliseconds is not what a span begins with: the bridge or the clock was away. */
const OLDEST_CHANGE = 3_600_000;

/**
 * Starts traces.
 *
 * @param endpoint Base URL of an OTLP receiver over HTTP, such as `http://localhost:4318`.
 * @param role Name of the service in traces, after `vmgroup-`.
 */
export function startTracing(endpoint: string, role: string): Tracing {
  const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/, '')}/v1/traces` });
  const provider = new BasicTracerProvider({
    resource: new Resource({ 'service.name': process.env['OTEL_SERVICE_NAME'] ?? `vmgroup-${role}` }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  // Temporal's interceptors pass the span on in the context.
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  provider.register();
  const tracer = provider.getTracer('vmgroup');
  return {
    client: [planSpans(tracer), new OpenTelemetryWorkflowClientInterceptor({ tracer })],
    activity: [
      () => ({ inbound: { execute: (input, next) => next(readable(input)) } }),
      (ctx) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(ctx, { tracer }) }),
      ({ info: { workflowExecution, activityId } }) => ({
        inbound: {
          execute: (input, next) => {
            trace.getActiveSpan()?.setAttributes(operationAttributes(workflowExecution, activityId));
            return next(input);
          },
        },
      }),
    ],
    platform: (platform) => tracedPlatform(platform, tracer),
    stop: () => provider.shutdown().catch(() => undefined),
  };
}

/** The input of an activity without a context that Temporal's interceptor could not read (TRACE-4). Any client may have sent it with a plan. */
function readable(input: ActivityExecuteInput): ActivityExecuteInput {
  const { [TRACE_HEADER]: header, ...headers } = input.headers;
  if (!header) return input;
  try {
    defaultPayloadConverter.fromPayload(header);
    return input;
  } catch {
    return { ...input, headers };
  }
}

/** The span of a plan, from the change that led to it until Temporal has it. */
function planSpans(tracer: Tracer): WorkflowClientInterceptor {
  return {
    signalWithStart: (input, next) => {
      const [message] = input.signalArgs as [PlanMessage | undefined];
      if (!message?.plan) return next(input);
      const { cause, plan } = message;
      const startTime = changeTime(message);
      const options = { attributes: planAttributes(message), ...(startTime && { startTime }) };
      return tracer.startActiveSpan(`${cause} ${plan.namespace}/${plan.name}`, options, async (span) => {
        try {
          return await next(input);
        } catch (error: unknown) {
          span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
          throw error;
        } finally {
          span.end();
        }
      });
    },
  };
}

function changeTime({ cause, changedBy }: PlanMessage): Date | undefined {
  const at = cause === 'SpecChanged' ? Date.parse(changedBy?.at ?? '') : NaN;
  const age = Date.now() - at;
  return age >= 0 && age < OLDEST_CHANGE ? new Date(at) : undefined;
}

function planAttributes({ cause, plan, changedBy }: PlanMessage): Attributes {
  return {
    'vmgroup.namespace': plan.namespace,
    'vmgroup.group': plan.name,
    'vmgroup.revision': plan.revision,
    'vmgroup.cause': cause,
    'vmgroup.power_state': plan.powerState,
    ...(changedBy && { 'vmgroup.changed_by': changedBy.name, 'vmgroup.changed_object': changedBy.object }),
  };
}

function operationAttributes(
  execution: { workflowId: string; runId: string } | undefined,
  activityId: string,
): Attributes {
  const { namespace, group } = (execution && groupOfWorkflow(execution.workflowId)) ?? {};
  const member = memberOfActivity(activityId);
  return {
    ...(namespace !== undefined && { 'vmgroup.namespace': namespace }),
    ...(group !== undefined && { 'vmgroup.group': group }),
    ...(member !== undefined && { 'vmgroup.member': member }),
  };
}
