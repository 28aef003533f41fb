/** Jest's global set-up of the tier `cluster`. */
import { installParts, orExplain } from './prepare';
import { shareWorkflowBundle } from './workflow-bundle';

export default async function setUp(): Promise<void> {
  await orExplain(installParts);
  await shareWorkflowBundle();
}
