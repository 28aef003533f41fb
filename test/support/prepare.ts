/**
 * Gets ready what tests on servers need, before the first of them begins: Jest's global set-up of their tiers. By itself it only installs the
 * parts, which is `npm run test:parts`. What is there already is only looked up.
 */
import { explain } from '../../cli/errors';
import { findTemporalCli } from '../../cli/temporal-server/temporal-cli';
import { prepareKubernetesParts } from './kubernetes-parts';
import { shareWorkflowBundle } from './workflow-bundle';

/** Where a part is and how it came there. */
interface Part {
  path: string;
  from: string;
}

/** Installs the parts and bundles the workflows; ends the process on an error. */
export default async function prepare(): Promise<void> {
  await installParts();
  await shareWorkflowBundle();
}

/** Installs what is missing, one part after the other; writes to standard error what takes long, and ends the process on an error. */
async function installParts(): Promise<Record<string, Part>> {
  const onProgress = (message: string): void => void process.stderr.write(`${message}\n`);
  try {
    const temporal = await findTemporalCli({ onProgress });
    return { temporal, ...(await prepareKubernetesParts(onProgress)) };
  } catch (error: unknown) {
    // Jest would print the stack of an error, and that hides the cure.
    process.stderr.write(explain(error));
    process.exit(1);
  }
}

async function print(): Promise<void> {
  for (const [name, { path, from }] of Object.entries(await installParts()))
    process.stderr.write(`${name}: ${path} (${from})\n`);
}

if (require.main === module) void print();
