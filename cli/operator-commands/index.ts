/** The operator commands `pause`, `resume`, `retry`, `skip`, `mark-ready`, `skip-delay`, `answer` and `abort`: their options. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { ObjectName, OperatorCommandName } from '../../api';
import type { OperatorVerb } from '../../contract';
import {
  defaultActor,
  groupArgument,
  isOnCluster,
  optionalGroupArgument,
  outputOption,
  parseObjectName,
  withSource,
  withTemporal,
} from '../options';
import type * as CommandObject from './command-object';
import type * as RetryAll from './retry-all';
import type * as Send from './send';

const action = (): typeof Send => require('./send') as typeof Send;
const commandObject = (): typeof CommandObject => require('./command-object') as typeof CommandObject;
const retryAll = (): typeof RetryAll => require('./retry-all') as typeof RetryAll;

/** A command, the Update behind it, and whether it names a member. */
interface OperatorCommandLine {
  name: string;
  verb: OperatorVerb;
  member: 'none' | 'optional' | 'required';
  /** It names a choice too. */
  choice?: true;
  description: string;
}

const ON_CLUSTER = `
With --source kubernetes, --kubeconfig or --context, and no Temporal server named (--temporal, TEMPORAL_ADDRESS, Temporal's configuration file):
an OperatorCommand is created, which the bridge of the cluster carries out. Kubernetes decides whether you may, and who you are.`;

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
    const command = program.command(name).description(description);
    command.addArgument(verb === 'retryMember' ? groupOrAll() : groupArgument());
    if (member !== 'none')
      command.addArgument(
        new Argument(member === 'required' ? '<member>' : '[member]', 'NAME, or KIND/NAME'),
      );
    if (choice) command.addArgument(new Argument('<choice>', 'key or label of one of the choices'));
    if (verb === 'retryMember') addAll(command);
    withTemporal(withSource(command))
      .addHelpText('after', ON_CLUSTER)
      .requiredOption('--reason <text>', 'why; recorded in the run')
      .option('--actor <name>', 'who; recorded in the run', defaultActor())
      .action((given: ObjectName | undefined, ...rest: unknown[]) => {
        const options = command.opts<RetryOptions>();
        const group = groupGiven(given, options, command);
        if (group === undefined) return retryAll().retryAll(options);
        const about = {
          ...(member !== 'none' && { member: rest[0] as string | undefined }),
          ...(choice && { choice: rest[1] as string }),
        };
        if (isOnCluster(options) && !commandObject().reachesTemporal(options))
          return commandObject().createCommand(name as OperatorCommandName, group, about, options);
        return action().sendCommand(verb, group, about, options);
      });
  }
}

/** The options of `retry` besides those of every operator command. */
type RetryOptions = Send.OperatorCommandOptions & RetryAll.RetryAllOptions & { all?: boolean };

/** The argument of `retry`, which `--all` replaces. */
function groupOrAll(): Argument {
  return optionalGroupArgument('NAMESPACE/NAME; required without --all');
}

function addAll(command: Command): void {
  command
    .option('--all', 'every parked member of every open run, after a preview; each gets a command of its own')
    .option('--root <ns/name>', 'with --all: only the tree that this group drives', parseObjectName)
    .option('--yes', 'with --all: without asking')
    .addOption(outputOption(['table', 'json']).helpGroup('With --all:'));
}

/** The group of a command line; undefined for one with `--all`. Ends the program if there is neither, or both. */
function groupGiven(
  group: ObjectName | undefined,
  { all, root, yes }: RetryOptions,
  command: Command,
): ObjectName | undefined {
  if (all) return group ? command.error('error: --all takes no group; name a tree with --root') : undefined;
  if (root !== undefined || yes) return command.error('error: --root and --yes are for --all');
  return group ?? command.error("error: missing required argument 'group'");
}
