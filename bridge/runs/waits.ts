/** What the attempts of a run's activities say they wait for: it stands in their heartbeats, which the run itself does not see. */
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { fitText, own } from '../../api';
import type { HeartbeatDetails, Progress } from '../../contract';

type Description = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;

/** What attempts wait for, in words, by activity id. */
export type Waits = Record<string, string>;

/** Longest text, bytes. */
const LONGEST_TEXT = 500;

/** Reads what the pending activities of a described run wait for. Heartbeats that cannot be read are left out. */
export async function readWaits(client: Client, { pendingActivities }: Description): Promise<Waits> {
  const waits: Waits = {};
  for (const { activityId, heartbeatDetails } of pendingActivities ?? []) {
    const [payload] = heartbeatDetails?.payloads ?? [];
    if (!payload || !activityId) continue;
    const text = waitOf(await decoded(client, payload));
    if (text !== undefined) waits[activityId] = fitText(text, LONGEST_TEXT);
  }
  return waits;
}

type Payload = temporal.api.common.v1.IPayload;

async function decoded(client: Client, payload: Payload): Promise<unknown> {
  const { payloadCodecs, payloadConverter = defaultPayloadConverter } = client.options.loadedDataConverter;
  try {
    let payloads = [payload];
    for (const codec of [...payloadCodecs].reverse()) payloads = await codec.decode(payloads);
    const [plain] = payloads;
    return plain && payloadConverter.fromPayload(plain);
  } catch {
    return undefined;
  }
}

function waitOf(details: unknown): string | undefined {
  const text = (details as HeartbeatDetails | null | undefined)?.waitsFor;
  return typeof text === 'string' && text !== '' ? text : undefined;
}

/** The progress of a run with what its attempts wait for. */
export function withWaits(progress: Progress, waits: Waits): Progress {
  const members = progress.members.map((member) => {
    const text = member.activityId === undefined ? undefined : own(waits, member.activityId);
    if (text === undefined || member.phase !== 'InProgress' || member.paused) return member;
    return { ...member, waitsFor: `${member.waitsFor ?? 'its power state'} (${text})` };
  });
  return { ...progress, members };
}
