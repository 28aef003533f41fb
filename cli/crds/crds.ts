/** `vmgroup crds`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { crds, type CustomResourceDefinition } from '../../api';
import { CliError, messageOf } from '../errors';
import { printData, printNote } from '../output';

/** The text of each CustomResourceDefinition, by the name of its file. */
export function crdFiles(): Map<string, string> {
  return new Map(crds().map((crd) => [`${crd.spec.names.plural}.yaml`, textOf(crd)]));
}

function textOf(crd: CustomResourceDefinition): string {
  const yaml = stringify(crd, { lineWidth: 110, aliasDuplicateObjects: false });
  return `# Generated from the schemas in api/ by: vmgroup crds --dir deploy/crds\n${yaml}`;
}

/**
 * Prints the CustomResourceDefinitions, or writes one file each into a folder.
 *
 * @throws CliError if a file cannot be written.
 */
export function printCrds({ dir }: { dir?: string }): void {
  const files = crdFiles();
  if (dir === undefined) {
    printData([...files.values()].join('---\n'));
    return;
  }
  try {
    mkdirSync(dir, { recursive: true });
    for (const [name, text] of files) writeFileSync(path.join(dir, name), text);
  } catch (error: unknown) {
    throw new CliError(`failed to write the definitions to ${dir}: ${messageOf(error)}`, [
      'choose another --dir FOLDER, or omit it to print them',
    ]);
  }
  printNote(`${files.size} files in ${dir}`);
}
