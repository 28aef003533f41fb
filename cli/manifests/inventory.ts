/** The SimulatedInventory among manifests. */
import type { ParsedManifests, SimulatedInventory } from '../../api';
import { formatProblem } from '../../api';
import { CliError } from '../errors';

/**
 * The inventory among manifests; undefined if there is none.
 *
 * @throws CliError if there are several, or one is invalid: neither a guess nor the built-in inventory would have the hosts that are meant.
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
      `the SimulatedInventory ${wrong[0]?.object?.name} is invalid, so the hosts of the simulated platform are unknown`,
      wrong.slice(0, 5).map((problem) => `fix it: ${formatProblem(problem)}`),
    );
  const [first, second] = manifests.inventories;
  if (first && second)
    throw new CliError(
      `two SimulatedInventories: ${first.namespace}/${first.name} and ${second.namespace}/${second.name}`,
      ['keep one of them; it describes the whole simulated platform'],
    );
  return first;
}
