/** Jest's global set-up of the tier `temporal`. */
import { installGuest, installTemporal, installVcenterSimulator, orExplain } from './prepare';
import { shareWorkflowBundle } from './workflow-bundle';

export default async function setUp(): Promise<void> {
  await orExplain(installTemporal);
  await orExplain(installVcenterSimulator);
  await orExplain(installGuest);
  await shareWorkflowBundle();
}
