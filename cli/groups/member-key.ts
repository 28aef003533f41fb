/** Members as command lines name them. */
import type { GroupView } from '../../bridge';
import { CliError } from '../errors';
import { firstNames } from '../output';
import { groupName } from './view';

/**
 * The key of a member that the command line names: `NAME`, or `KIND/NAME`.
 *
 * @throws CliError if the group has no such member.
 */
export function memberKeyOf(view: GroupView, member: string): string {
  const named = member.replace(/^VirtualMachine\//, '');
  const keys = view.status.members.map(({ kind, name }) =>
    kind === 'VirtualMachine' ? name : `VirtualMachineGroup/${name}`,
  );
  const key =
    keys.find((each) => each === named) ?? keys.find((each) => each === `VirtualMachineGroup/${named}`);
  if (key !== undefined) return key;
  throw new CliError(`${member} is not a member of ${groupName(view)}`, [
    keys.length > 0 ? `its members: ${firstNames(keys)}` : 'it has no members',
  ]);
}
