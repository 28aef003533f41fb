/** The operator commands that a run was given, as text. Pure. */
import type { RecordedCommand } from '../../contract';
import * as lazy from '../lazy';
import { table } from '../output';

/** Commands that are shown, the last ones. */
const MOST_COMMANDS = 10;

/**
 * Who gave which command when, and why; empty if there was none. Where an API server has authenticated the actor, it is `(known)`; otherwise
 * the sender of the command could claim any name.
 *
 * @param width Columns of the terminal, as of `table`.
 */
export function givenCommands(commands: readonly RecordedCommand[], width?: number): string {
  if (commands.length === 0) return '';
  const shown = table<RecordedCommand>(
    [
      { head: 'TIME', of: ({ at }) => new Date(at).toISOString() },
      { head: 'WHO', of: whoOf },
      { head: 'WHAT', of: whatOf },
      { head: 'REASON', prose: true, of: ({ reason }) => reason },
    ],
    commands.slice(-MOST_COMMANDS),
    'table',
    width,
  );
  const more = commands.length - MOST_COMMANDS;
  return more > 0 ? `${shown}… and ${more} more before them\n` : shown;
}

function whoOf({ actor, known }: RecordedCommand): string {
  if (known) return `${actor} (known)`;
  return actor === lazy.contract().UNNAMED_ACTOR ? actor : `${actor} (claimed)`;
}

/** The command as it is written on the command line: `skip web-1`. */
function whatOf({ verb, member, choice }: RecordedCommand): string {
  const names = Object.entries(lazy.contract().COMMAND_VERBS);
  const name = names.find(([, each]) => each === verb)?.[0] ?? verb;
  return [name, member, choice].filter((word) => word !== undefined).join(' ');
}
