/**
 * Reads the status of a group's object. Pure.
 *
 * READ-1: any user who may patch a status may have written it. What cannot be read is left out, and the rest counts: no status makes reading
 *     fail, or what is done with the view.
 * READ-2: of a run that has ended, either all that decides about the next run is read, or the run counts as unknown.
 */
import { z } from 'zod';
import { fieldsOf } from '../../../api/unknown';
import type { MemberStatus } from '../../status';
import { withinLevels } from './depth';
import type { StoredCondition, StoredRun, StoredStatus } from './shape';

/** Milliseconds since the epoch, up to the last year that RFC 3339 can name. */
const time = z.number().min(0).max(Date.parse('9999-12-31T23:59:59Z'));

const conditionForm = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string(),
  message: z.string(),
  lastTransitionTime: z.string(),
});

const memberForm = z.looseObject({
  name: z.string(),
  kind: z.string(),
  uid: z.string().optional(),
  powerState: z.string().optional(),
  placement: z.looseObject({ zoneID: z.string() }).optional(),
});

const runForm = z.looseObject({
  workflowId: z.string(),
  runId: z.string(),
  startTime: z.string().refine((text) => time.safeParse(Date.parse(text)).success),
});

const exceptionForm = z.looseObject({ member: z.string(), reason: z.string(), message: z.string() });

/** What older builds leave out is optional. */
const rememberedForm = z.looseObject({
  startedAt: time,
  endedAt: time.optional(),
  closedAs: z.string().optional(),
  outcome: z
    .looseObject({
      revision: z.string(),
      generation: z.number(),
      lineage: z.string(),
      powerState: z.string(),
      startedAt: time,
      endedAt: time,
      planDigest: z.string().optional(),
      forceSync: z.string().optional(),
      operations: z.number().optional(),
      released: z.array(z.string()).optional(),
      spans: z.record(z.string(), z.tuple([time, time])).optional(),
      corrections: z.record(z.string(), z.array(time)).optional(),
    })
    .optional(),
});

const sentForm = z.looseObject({
  digest: z.string(),
  revision: z.string(),
  lineage: z.string(),
  powerState: z.string(),
  forceSync: z.string(),
  drift: z.record(z.string(), z.union([z.string(), z.number()])),
  wants: z.string().optional(),
  recovered: z.array(z.string()).optional(),
  runId: z.string().optional(),
  supersedes: z.string().optional(),
});

/** The status that a bridge has written, without what cannot be read; undefined: no bridge has written it. */
export function readStatus(status: unknown): StoredStatus | undefined {
  const { phase, message, run, ...rest } = fieldsOf(withinLevels(status));
  if (typeof phase !== 'string') return undefined;
  const { observedGeneration, members, conditions, readyMembers, lastUpdatedPowerStateTime, ...others } =
    rest;
  const runRead = run === undefined ? undefined : readRun(fieldsOf(run));
  return {
    ...others,
    phase: phase as StoredStatus['phase'],
    message: textOf(message),
    readyMembers: textOf(readyMembers),
    observedGeneration: typeof observedGeneration === 'number' ? observedGeneration : 0,
    members: readMembers(members),
    conditions: listOf<StoredCondition>(conditionForm, conditions),
    ...(typeof lastUpdatedPowerStateTime === 'string' && { lastUpdatedPowerStateTime }),
    ...(runRead && { run: runRead }),
  };
}

/** The members that can be read. */
export function readMembers(members: unknown): MemberStatus[] {
  return listOf<MemberStatus>(memberForm, withinLevels(members)).map((member) => ({
    ...member,
    conditions: listOf(conditionForm, member.conditions),
  }));
}

/** `workflowId` is empty if the run cannot be read: what was sent counts without it. */
function readRun(run: Record<string, unknown>): StoredRun {
  const memory = fieldsOf(run['memory']);
  const sent = formed<StoredRun['memory']['sent']>(sentForm, memory['sent']);
  const kept = sent ? { sent } : {};
  const form = formed<StoredRun>(runForm, run);
  if (!form) return { workflowId: '', runId: '', startTime: '', memory: kept };
  const { workflowId, runId, startTime } = form;
  const hasOutcome = typeof run['outcome'] === 'string';
  const remembered = formed<StoredRun['memory']['run']>(rememberedForm, memory['run']);
  // READ-2.
  const isWhole = remembered && (remembered.outcome === undefined || hasOutcome);
  return {
    workflowId,
    runId,
    startTime,
    message: textOf(run['message']),
    ...(hasOutcome && { outcome: textOf(run['outcome']) }),
    exceptions: listOf(exceptionForm, run['exceptions']),
    memory: { ...(isWhole && { run: remembered }), ...kept },
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The items that have the form. */
function listOf<T>(form: z.ZodType, items: unknown): T[] {
  return Array.isArray(items) ? items.flatMap((item) => formed<T>(form, item) ?? []) : [];
}

/** The value, if it has the form. Words that only a newer build knows are passed on. */
function formed<T>(form: z.ZodType, value: unknown): T | undefined {
  return form.safeParse(value).success ? (value as T) : undefined;
}
