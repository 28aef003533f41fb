/**
 * Installs what system tests need, before the first of them begins: Jest's global set-up of that tier, and by itself `npm run test:parts`.
 * What is there already is only looked up.
 */
import { explain } from '../../cli/errors';
import { findTemporalCli } from '../../cli/temporal-cli';
import { prepareKubernetesParts } from './kubernetes-parts';

/** Where a part is and how it came there. */
interface Part {
  path: string;
  from: string;
}

/** Installs what is missing, one part after the other; writes to standard error what takes long. */
export default async function prepare(): Promise<void> {
  await prepareParts();
}

async function prepareParts(): Promise<Record<string, Part>> {
  const onProgress = (message: string): void => void process.stderr.write(`${message}\n`);
  const temporal = await findTemporalCli({ onProgress });
  return { temporal, ...(await prepareKubernetesParts(onProgress)) };
}

if (require.main === module) {
  prepareParts().then(
    (parts) => {
      for (const [name, { path, from }] of Object.entries(parts))
        process.stderr.write(`${name}: ${path} (${from})\n`);
    },
    (error: unknown) => {
      process.stderr.write(explain(error));
      process.exitCode = 1;
    },
  );
}
