/** The operators' words: `pause`, `resume`, `retry`, `skip`, `mark-ready`, `skip-delay`, `abort`. */
import { Argument } from 'commander';
import type { Command } from 'commander';
import { defaultActor } from '../options/actor';
import { sendWord } from './send';
import type { OperatorVerb } from '../../contract';
import { parseGroupName } from '../output/output';
import { withSource } from '../connections/cluster';
import { withReach } from '../connections/temporal';
import type { WhereOptions } from '../groups/views';

/** A command, the Update behind it, and whether it can, must or cannot name a member. */
const WORDS: { name: string; verb: OperatorVerb; member: 'none' | 'optional' | 'required'; does: string }[] =
  [
    { name: 'pause', verb: 'pause', member: 'none', does: 'start nothing new in the open run until resume' },
    { name: 'resume', verb: 'resume', member: 'none', does: 'go on after pause' },
    {
      name: 'retry',
      verb: 'retryMember',
      member: 'optional',
      does: 'try a parked member again, or all that are parked; after the end of a run, ask for a new one',
    },
    { name: 'skip', verb: 'skipMember', member: 'required', does: 'go on without a member' },
    {
      name: 'mark-ready',
      verb: 'markReady',
      member: 'required',
      does: 'count a member as having reached its gate',
    },
    { name: 'skip-delay', verb: 'skipDelay', member: 'none', does: 'end the delay that the run waits for' },
    {
      name: 'abort',
      verb: 'abort',
      member: 'none',
      does: 'end the run; nothing starts by itself until the desired state changes or somebody asks',
    },
  ];

/** Options of each word. */
export interface WordOptions extends WhereOptions {
  reason: string;
  actor: string;
}

/** Adds the commands. */
export function registerWords(program: Command): void {
  for (const { name, verb, member, does } of WORDS) {
    const command = program
      .command(name)
      .description(does)
      .addArgument(new Argument('<group>', 'NAMESPACE/NAME').argParser(parseGroupName));
    if (member !== 'none')
      command.addArgument(
        new Argument(member === 'required' ? '<member>' : '[member]', 'NAME, or KIND/NAME'),
      );
    // Only a new run is asked for elsewhere than in Temporal.
    if (verb === 'retryMember') withSource(command);
    withReach(command)
      .requiredOption('--reason <text>', 'why; kept on record in the run')
      .option('--actor <name>', 'who; kept on record in the run', defaultActor())
      .action((group: { namespace: string; name: string }, ...rest: unknown[]) => {
        const named = member === 'none' ? undefined : (rest[0] as string | undefined);
        const options = command.opts<WordOptions>();
        return sendWord(verb, group, named, options);
      });
  }
}
