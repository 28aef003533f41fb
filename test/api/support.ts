/** Short ways to write manifests in tests. */
import { formatProblem, parseManifests, type Manifests, type ParsedManifests } from '../../api';

/** Reads one file `a.yaml`. */
export function parse(text: string, previous?: Manifests): ParsedManifests {
  return parseManifests([{ path: 'a.yaml', text }], previous ? { previous } : {});
}

/** The problems of one file `a.yaml`, as `validate` prints them. */
export function problemsOf(text: string, previous?: Manifests): string[] {
  return parse(text, previous).problems.map(formatProblem);
}

/** A manifest of a group; `spec` are lines below `spec:`, from line 4 on. */
export function group(name: string, ...spec: string[]): string {
  return manifest('vmoperator.vmware.com/v1alpha4', 'VirtualMachineGroup', name, spec);
}

/** A manifest of a VM; `spec` are lines below `spec:`, from line 4 on. */
export function vm(name: string, ...spec: string[]): string {
  return manifest('vmoperator.vmware.com/v1alpha5', 'VirtualMachine', name, spec);
}

/** A manifest of a policy; `spec` are lines below `spec:`, from line 4 on. */
export function policy(name: string, ...spec: string[]): string {
  return manifest('vmgroup.dev/v1alpha1', 'SequencePolicy', name, spec);
}

/** A manifest of an inventory; `spec` are lines below `spec:`, from line 4 on. */
export function inventory(name: string, ...spec: string[]): string {
  return manifest('vmgroup.dev/v1alpha1', 'SimulatedInventory', name, spec);
}

/** Several documents in one file: each takes 3 lines, one a line of its spec, and one for what parts it from the next. */
export function documents(...texts: string[]): string {
  return texts.join('---\n');
}

function manifest(apiVersion: string, kind: string, name: string, spec: string[]): string {
  const body = spec.map((line) => `  ${line}\n`).join('');
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}}\n${body === '' ? '' : `spec:\n${body}`}`;
}
