/** `vmgroup why`: the chain from a member that is not in its desired state to what holds it. */
import type { ObjectName } from '../../api';
import type { GroupView } from '../../bridge';
import { whyGroup, whyMember, type Surroundings, type Why } from '../../insight';
import { connectTemporal, findTarget } from '../connections';
import { groupName, loadTree, memberKeyOf, staleness, terminalDrawing } from '../groups';
import * as lazy from '../lazy';
import { print } from '../output';
import type { WhyOptions } from './options';
import { whyText, type Explained } from './text';

/** Milliseconds in which Temporal has to answer. */
const CALL_TIMEOUT = 5_000;

/**
 * Prints why a member is not in its desired state, or why each member is not that is not.
 *
 * @throws CliError if there is no such group or member.
 */
export async function why(group: ObjectName, member: string | undefined, options: WhyOptions): Promise<void> {
  const views = await loadTree(group, options);
  const byName = new Map(views.map((view) => [groupName(view), view]));
  const view = byName.get(`${group.namespace}/${group.name}`) as GroupView;
  const idle = await idleOf(view, options);
  const around: Surroundings = { groupOf: (name) => byName.get(name), ...(idle && { idle }) };
  const found: Why[] =
    member === undefined ? whyGroup(view, around) : [whyMember(view, memberKeyOf(view, member), around)];
  print(
    options.output,
    { group: groupName(view), phase: view.phase, message: view.message, members: found },
    (shown: Explained) => whyText(shown, terminalDrawing()),
    { view, found, all: member === undefined },
  );
}

/** Why no process acts on a group: no bridge, or no worker for its open run. */
async function idleOf(view: GroupView, options: WhyOptions): Promise<Surroundings['idle']> {
  const stale = staleness([view], options);
  if (stale !== undefined)
    return { text: `is not managed: ${stale}`, commands: ['vmgroup up PATH', 'vmgroup serve PATH'] };
  if (!view.run || view.run.endedAt !== undefined) return undefined;
  const target = findTarget(options);
  const temporal = await connectTemporal(target).catch(() => undefined);
  if (!temporal)
    return { text: `waits: Temporal at ${target.address} does not answer`, commands: ['vmgroup doctor'] };
  try {
    const { noWorkerText, workflowPollers } = lazy.worker();
    const { client } = temporal;
    const run = client.workflow.getHandle(view.run.workflowId);
    const described = await client.withDeadline(Date.now() + CALL_TIMEOUT, () => run.describe());
    const pollers = await workflowPollers(client, target.namespace, described.taskQueue);
    if (pollers.length > 0) return undefined;
    return {
      text: `waits: ${noWorkerText(described.taskQueue)}`,
      commands: ['vmgroup worker', 'vmgroup serve PATH'],
    };
  } catch {
    return undefined;
  } finally {
    await temporal.close();
  }
}
