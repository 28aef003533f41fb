/** `status` of the resources, as an API server takes it. What the bridge writes fits; manifests are not read by these. */
import { z } from 'zod';
import { listMap, memberKind, powerState, virtualMachineSchema } from '../kinds';

const time = z.string().meta({ format: 'date-time' });

const condition = z
  .strictObject({
    type: z
      .string()
      .meta({ maxLength: 316, pattern: '^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$' })
      .describe('What the condition is about, such as `Ready`.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
    observedGeneration: z.int().min(0).optional().describe('Generation of the object that was observed.'),
    lastTransitionTime: time.describe('When `status` last changed.'),
    reason: z
      .string()
      .meta({ minLength: 1, maxLength: 1024, pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' })
      .describe('The reason as one word, for programs.'),
    message: z.string().meta({ maxLength: 32_768 }).describe('The reason in words, for people.'),
  })
  .describe('One observation (`metav1.Condition`).');

const conditions = z.array(condition).meta(listMap('type'));

/**
 * One owner has the whole list, which is the bridge. By entry the server would keep for each field who owns it: with 1,000 members nearly
 * as much again as the list, and close to what etcd takes of one object.
 */
const WHOLE = { 'x-kubernetes-list-type': 'atomic' };

const placement = z.strictObject({
  zoneID: z.string().optional().describe('Zone.'),
  node: z.string().optional().describe('Host.'),
  pool: z.string().optional().describe('Resource pool.'),
  datastores: z
    .array(
      z
        .looseObject({
          name: z.string().describe('Name of the datastore.'),
          id: z.string().optional().describe('Id of the datastore on the platform.'),
        })
        .describe('A datastore, with what else the platform says of it.'),
    )
    .optional()
    .describe('Datastores, one for each disk where the platform says so.'),
});

const member = z
  .strictObject({
    name: z.string().describe('Name of the member.'),
    kind: memberKind.describe('Kind of the member.'),
    uid: z.string().optional().describe('Uid of the object that this entry is about.'),
    placement: placement.optional().describe('Where the VM is or will be. It stays once the VM exists.'),
    powerState: powerState.optional().describe('Power state that was observed; VMs only.'),
    conditions: conditions
      .optional()
      .describe('`GroupLinked`, `PowerStateSynced`, `PlacementReady`; of a nested group its own `Ready`.'),
  })
  .describe('What was observed of one member.');

const run = z
  .looseObject({
    workflowId: z.string().optional().describe('Id of the Temporal workflow.'),
    runId: z.string().optional().describe('Id of this execution of it.'),
    startTime: time.optional().describe('When the run started.'),
    endTime: time.optional().describe('When the run ended; absent while it is open.'),
    outcome: z
      .string()
      .optional()
      .describe('`Converged`, `ConvergedWithExceptions`, `Failed`, `Cancelled` or `Superseded`.'),
    message: z.string().optional().describe('The outcome in words.'),
    exceptions: z
      .array(
        z.looseObject({
          member: z.string().optional().describe('The member, as `Kind/name`.'),
          reason: z.string().optional().describe('Why it was left as it is.'),
          message: z.string().optional().describe('The same in words.'),
        }),
      )
      .optional()
      .describe('Members that the run left as they are.'),
  })
  .describe('The open run, or the last one.');

/** `status` of a VirtualMachineGroup. */
export const virtualMachineGroupStatusSchema = z
  .strictObject({
    observedGeneration: z
      .int()
      .min(0)
      .optional()
      .describe('Generation of the group that this status is about.'),
    phase: z.string().optional().describe('Where the group stands, as one word.'),
    message: z.string().optional().describe('Where the group stands, for people.'),
    readyMembers: z.string().optional().describe('Members in the desired state, of all: `4/6`.'),
    members: z.array(member).meta(WHOLE).optional().describe('Members in boot order.'),
    lastUpdatedPowerStateTime: time
      .optional()
      .describe("When a run last brought the members to the group's power state."),
    run: run.optional(),
    conditions: conditions.optional().describe('`Ready`; of a nested group `GroupLinked` too.'),
  })
  .describe('Observed state of the group.');

/** `status` of a VirtualMachine: what groups read. All else that the platform writes is kept. */
export const virtualMachineStatusSchema = virtualMachineSchema.shape.status
  .unwrap()
  .extend({
    powerState: powerState.optional().describe('Power state that was observed.'),
    conditions: conditions.optional().describe("The VM's own conditions; `Ready` is its gate."),
  })
  .describe('Observed state of the VM.');

/** Status of an OperatorCommand. */
export const operatorCommandStatusSchema = z
  .strictObject({
    phase: z
      .enum(['Pending', 'Sending', 'Done', 'Refused', 'Failed'])
      .describe(
        '`Pending`: not handled yet, or it has to wait. `Sending`: the run is being asked. `Done`: carried out. `Refused`: it changed nothing. ' +
          '`Failed`: the run ended without an answer.',
      ),
    message: z.string().optional().describe('The answer of the run, or what is waited for.'),
    actor: z.string().optional().describe('Who gave the command.'),
    actorKnown: z
      .boolean()
      .optional()
      .describe('Whether an API server has authenticated the actor; otherwise the name is a claim.'),
    runId: z
      .string()
      .optional()
      .describe('The Temporal execution that is asked; of a new run, the one before it.'),
    finishedAt: time.optional().describe('When the answer was written.'),
    conditions: conditions.optional().describe('`Complete`: whether there is an answer.'),
  })
  .describe('State of the command; written by the bridge.');
