/** Finds or builds the parts of a test cluster and prints where they are, so that no test waits for a build. */
import { findKubernetesParts } from './kubernetes-parts';

findKubernetesParts((message) => process.stderr.write(`${message}\n`)).then(
  (parts) => {
    for (const [part, { path, from }] of Object.entries(parts))
      process.stderr.write(`${part}: ${path} (${from})\n`);
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
