/** The operator commands `pause`, `resume`, `retry`, `skip`, `mark-ready`, `skip-delay`, `answer` and `abort`: their options. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { ObjectName } from '../../api';
import type { OperatorVerb } from '../../contract';
import { defaultActor, groupArgument, withSource, withTemporal } from '../options';
import type * as Send from './send';

const action = (): typeof Send => require('./send') as typeof Send;

/** A command, the Update behind it, and whether it names a member. */
interface OperatorCommandLine {
  name: string;
  verb: OperatorVerb;
  member: 'none' | 'optional' | 'required';
  /** It names a choice too. */
  choice?: true;
  description: string;
}

const COMMANDS: readonly OperatorCommandLine[] = [
  {
    name: 'pause',
    verb: 'pause',
    member: 'none',
    description: 'start no further operations in the open run until resume',
  },
  { name: 'resume', verb: 'resume', member: 'none', description: 'continue a paused run' },
  {
    name: 'retry',
    verb: 'retryMember',
    member: 'optional',
    description: 'retry a parked member, or all parked members; if no run is open, request a new one',
  },
  { name: 'skip', verb: 'skipMember', member: 'required', description: 'continue without a member' },
  {
    name: 'mark-ready',
    verb: 'markReady',
    member: 'required',
    description: 'treat a member as if it had reached its gate',
  },
  { name: 'skip-delay', verb: 'skipDelay', member: 'none', description: 'end the present delay' },
  {
    name: 'answer',
    verb: 'answer',
    member: 'required',
    choice: true,
    description: 'answer a question that the platform asks about a VM',
  },
  {
    name: 'abort',
    verb: 'abort',
    member: 'none',
    description: 'end the run; no new one starts until the desired state changes or one is requested',
  },
];

/** Adds the commands. */
export function registerOperatorCommands(program: Command): void {
  for (const { name, verb, member, choice, description } of COMMANDS) {
    const command = program.command(name).description(description).addArgument(groupArgument());
    if (member !== 'none')
      command.addArgument(
        new Argument(member === 'required' ? '<member>' : '[member]', 'NAME, or KIND/NAME'),
      );
    if (choice) command.addArgument(new Argument('<choice>', 'key or label of one of the choices'));
    // Only the request for a new run depends on where the group is.
    if (verb === 'retryMember') withSource(command);
    withTemporal(command)
      .requiredOption('--reason <text>', 'why; recorded in the run')
      .option('--actor <name>', 'who; recorded in the run', defaultActor())
      .action((group: ObjectName, ...rest: unknown[]) => {
        const about = {
          ...(member !== 'none' && { member: rest[0] as string | undefined }),
          ...(choice && { choice: rest[1] as string }),
        };
        return action().sendCommand(verb, group, about, command.opts<Send.OperatorCommandOptions>());
      });
  }
}
