/** Histories made by hand, in the JSON form of Temporal's own tools. */

/** An event without its number and time. */
export type Draft = Record<string, unknown>;

/** JSON as text: a value that is too deep for `JSON.stringify`. */
export class JsonText {
  constructor(readonly text: string) {}
}

function payloads(values: readonly unknown[]): { payloads: unknown[] } {
  return {
    payloads: values.map((value) => ({
      metadata: { encoding: Buffer.from('json/plain').toString('base64') },
      data: Buffer.from(value instanceof JsonText ? value.text : JSON.stringify(value)).toString('base64'),
    })),
  };
}

/** An event; `values` are attributes that hold payloads. */
export function event(type: string, attributes: Draft, values: Record<string, unknown[]> = {}): Draft {
  const encoded = Object.entries(values).map(([key, list]) => [key, payloads(list)] as const);
  return {
    eventType: `EVENT_TYPE_${type}`,
    theEventAttributes: { ...attributes, ...Object.fromEntries(encoded) },
  };
}

export function signal(signalName: string, argument: unknown, identity = 'bridge@host'): Draft {
  return event('WORKFLOW_EXECUTION_SIGNALED', { signalName, identity }, { input: [argument] });
}

/** A history that begins a run of the group prod/app. */
export function history(...drafts: Draft[]): { events: Draft[] } {
  const first = event(
    'WORKFLOW_EXECUTION_STARTED',
    { workflowType: { name: 'virtualMachineGroup' }, firstExecutionRunId: 'run-1' },
    { input: [{ namespace: 'prod', name: 'app' }] },
  );
  return {
    events: [first, ...drafts].map((draft, index) => ({
      eventId: String(index + 1),
      eventTime: new Date(1_795_460_463_000 + index * 1_000).toISOString(),
      ...draft,
    })),
  };
}
