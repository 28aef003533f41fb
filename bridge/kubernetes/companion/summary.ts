/**
 * What vmgroup reports about a group alongside VM Operator's group controller, which owns the status: one annotation. Pure.
 *
 * SUMMARY-1: it never takes more than {@link SUMMARY_BYTES}.
 * SUMMARY-2: any user who may edit the group may have written it: it is for people to read, and decides nothing. One that was copied from
 *     another object, or from an earlier group of the same name, is ignored.
 */
import { COMPANION_STATUS, fitText, own } from '../../../api';
import { workflowId } from '../../../contract';
import type { KubernetesObject } from '../../../kubernetes';
import { rfc3339, VIEW_API_VERSION, type GroupView, type RunView } from '../../status';
import { readMembers } from '../stored-status';

/** Bytes of a summary. All annotations of an object may have 256 KiB together. */
const SUMMARY_BYTES = 4_096;
/** Bytes of its message in JSON, where a character may take six. */
const MESSAGE_BYTES = 500;

/** The annotation's content. Times are RFC 3339. */
interface Summary {
  uid: string;
  powerState?: string;
  phase: GroupView['phase'];
  message: string;
  /** `4/6`. */
  readyMembers: string;
  observedGeneration: number;
  run?: { runId: string; startTime: string; endTime?: string; outcome?: string };
}

/** The text of the annotation for a view. */
export function summaryText({ metadata, spec, phase, message, status, run }: GroupView): string {
  const ready = status.members.filter(({ conditions }) => conditions.every((each) => each.status === 'True'));
  const { endedAt, outcome, closedAs } = run ?? {};
  const ended = outcome?.outcome ?? closedAs;
  const summary: Summary = {
    uid: metadata.uid,
    ...(spec.powerState && { powerState: spec.powerState }),
    phase,
    message: fitText(message, MESSAGE_BYTES),
    readyMembers: `${ready.length}/${status.members.length}`,
    observedGeneration: status.observedGeneration,
    ...(run && {
      run: {
        runId: run.runId,
        startTime: rfc3339(run.startedAt),
        ...(endedAt !== undefined && { endTime: rfc3339(endedAt) }),
        ...(ended !== undefined && { outcome: ended }),
      },
    }),
  };
  return JSON.stringify(summary);
}

/**
 * The view that a summary was written from, without a run that has ended, and with the members as VM Operator's status has them; undefined if there is none of
 * this object, or it cannot be read (SUMMARY-2).
 */
export function viewOfSummary({ metadata, spec, status }: KubernetesObject): GroupView | undefined {
  const summary = parsed(own(metadata.annotations, COMPANION_STATUS));
  const { namespace, name, uid, generation = 0 } = metadata;
  if (!summary || namespace === undefined || uid === undefined || summary.uid !== uid) return undefined;
  const { phase, message, powerState, observedGeneration, run } = summary;
  const { groupName } = (spec ?? {}) as { groupName?: string };
  return {
    apiVersion: VIEW_API_VERSION,
    kind: 'VirtualMachineGroup',
    metadata: { namespace, name, uid, generation },
    spec: { ...(powerState && { powerState }), ...(groupName && { groupName }) } as GroupView['spec'],
    status: {
      observedGeneration,
      members: readMembers((status as { members?: unknown } | null | undefined)?.members),
      conditions: [],
    },
    phase,
    message,
    ...(run && run.endTime === undefined && { run: openRun(namespace, name, run) }),
  };
}

function openRun(
  namespace: string,
  name: string,
  { runId, startTime }: NonNullable<Summary['run']>,
): RunView {
  return { workflowId: workflowId(namespace, name), runId, startedAt: Date.parse(startTime) || 0 };
}

function parsed(text: string | undefined): Summary | undefined {
  if (text === undefined || Buffer.byteLength(text) > SUMMARY_BYTES) return undefined;
  try {
    const value = JSON.parse(text) as Partial<Record<keyof Summary, unknown>> | null;
    if (typeof value !== 'object' || value === null) return undefined;
    const { uid, phase, message, powerState = '', observedGeneration, run = {} } = value;
    if (typeof run !== 'object' || run === null) return undefined;
    const { runId = '', startTime = '' } = run as Partial<Record<string, unknown>>;
    const texts = [uid, phase, message, powerState, runId, startTime];
    const areTexts = texts.every((each) => typeof each === 'string');
    return areTexts && typeof observedGeneration === 'number' ? (value as Summary) : undefined;
  } catch {
    return undefined;
  }
}
