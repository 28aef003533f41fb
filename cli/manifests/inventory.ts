/** The SimulatedInventory that a command line names. */
import type { ParsedManifests, SimulatedInventory } from '../../api';
import { formatProblem } from '../../api';
import { CliError } from '../errors';

/**
 * The inventory among manifests; undefined where there is none.
 *
 * @throws CliError when there are several, as which one holds would be a guess, and when one is invalid, as the built-in one has other hosts.
 */
export function inventoryOf({
  manifests,
  problems,
}: Pick<ParsedManifests, 'manifests' | 'problems'>): SimulatedInventory | undefined {
  const wrong = problems.filter(
    ({ severity, object }) => severity === 'Error' && object?.kind === 'SimulatedInventory',
  );
  if (wrong.length > 0)
    throw new CliError(
      `the SimulatedInventory ${wrong[0]?.object?.name} is invalid, so the hosts of the simulated platform are not known`,
      wrong.slice(0, 5).map((problem) => `repair it: ${formatProblem(problem)}`),
    );
  const [first, second] = manifests.inventories;
  if (first && second)
    throw new CliError(
      `two SimulatedInventories: ${first.namespace}/${first.name} and ${second.namespace}/${second.name}`,
      ['leave one of them; it says what the whole simulated platform consists of'],
    );
  return first;
}
