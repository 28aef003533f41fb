/** What is in `deploy/`, as kubectl renders it. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { findKubernetesParts } from './kubernetes-parts';

const root = path.join(__dirname, '../..');

/** The fields of an object that the tests use. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  rules?: Rule[];
  roleRef?: { kind: string; name: string };
  subjects?: { kind: string; name: string; namespace?: string }[];
  data?: Record<string, string>;
  spec?: Record<string, unknown>;
}

/** A rule of a Role or a ClusterRole. */
export interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

/** A container of a Deployment. */
export interface Container {
  name: string;
  image: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value?: string }[];
  [field: string]: unknown;
}

/** The objects of a folder of `deploy/`. */
export function rendered(folder: string): Promise<Manifest[]> {
  return kustomize(path.join(root, 'deploy', folder));
}

/** The objects of a user's own kustomization, next to a copy of `deploy/`. */
export async function renderedWith(kustomization: object): Promise<Manifest[]> {
  const dir = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'vmgroup-kustomize-')));
  try {
    cpSync(path.join(root, 'deploy'), path.join(dir, 'deploy'), { recursive: true });
    mkdirSync(path.join(dir, 'own'));
    writeFileSync(path.join(dir, 'own/kustomization.yaml'), stringify(kustomization));
    return await kustomize(path.join(dir, 'own'));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function kustomize(dir: string): Promise<Manifest[]> {
  const { kubectl } = await findKubernetesParts();
  const text = execFileSync(kubectl.path, ['kustomize', dir], { encoding: 'utf8' });
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

/** Template of the pods of a Deployment. */
export function podOf(deployment: Manifest): Record<string, unknown> & { containers: Container[] } {
  const { template } = deployment.spec as {
    template: { spec: Record<string, unknown> & { containers: Container[] } };
  };
  return template.spec;
}

/** One verb on one resource: `patch vmoperator.vmware.com/virtualmachinegroups/status`. */
export function grantsOf({ rules = [] }: Manifest): string[] {
  return rules
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
      ),
    )
    .sort();
}
