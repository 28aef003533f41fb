/** Folders that hold input of kustomize or Helm: which objects they describe is known only once they are rendered. */
import { resolve } from 'node:path';
import { readOneDocument } from '../../api';
import { isWithin } from './within';

/** Names that kustomize gives its own file. None of them is a manifest. */
export const KUSTOMIZATION_FILES: readonly string[] = [
  'kustomization.yaml',
  'kustomization.yml',
  'Kustomization',
];

/** The file that makes a folder a Helm chart. */
export const CHART_FILE = 'Chart.yaml';

/** One kustomization. */
export interface Kustomization {
  folder: string;
  /** Whether it only lists files and folders, so that these are what it renders to. */
  plain: boolean;
  /** Absolute paths of the files and folders that it includes. */
  includes: string[];
}

/** Fields of a kustomization that change nothing. */
const PLAIN_FIELDS = new Set(['apiVersion', 'kind', 'metadata', 'resources']);
/** Fields that name files and folders, in a list. */
const INCLUDE_FIELDS = ['resources', 'bases', 'components'];

/** Reads a kustomization in a folder below `root`. One that cannot be read is not plain. */
export function readKustomization(root: string, folder: string, text: string): Kustomization {
  const content = readOneDocument(text);
  if (content === undefined) return { folder, plain: false, includes: [] };
  if (typeof content !== 'object' || content === null) return { folder, plain: true, includes: [] };
  const fields = new Map(Object.entries(content));
  const includes = INCLUDE_FIELDS.flatMap((field) => listOf(fields.get(field)));
  return {
    folder,
    plain:
      [...fields.keys()].every((field) => PLAIN_FIELDS.has(field)) &&
      includes.every((path) => !isRemote(path) && isWithin(root, resolve(folder, path))),
    includes: includes.filter((path) => !isRemote(path)).map((path) => resolve(folder, path)),
  };
}

/** Whether an include is a URL or a repository, in one of the spellings of kustomize. */
function isRemote(path: string): boolean {
  return /:\/\/|::|@|\?ref=|^(github|gitlab|bitbucket)\.\w+\//.test(path);
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Folders that must be rendered first, with the command for it. */
export interface Unrendered {
  /** The first of its folders. */
  path: string;
  message: string;
  /** Every folder and file whose content is unknown until then. */
  covers: string[];
}

/** The kustomizations that are not plain, with everything that they include, as one item. */
export function unrenderedKustomizations(found: readonly Kustomization[]): Unrendered[] {
  const roots = found.filter(({ plain }) => !plain);
  const [first] = roots;
  if (!first) return [];
  const byFolder = new Map(found.map((each) => [resolve(each.folder), each]));
  const covers = new Set<string>();
  const visit = (path: string): void => {
    if (covers.has(path)) return;
    covers.add(path);
    byFolder.get(path)?.includes.forEach(visit);
  };
  roots.forEach(({ folder }) => visit(resolve(folder)));
  const others = roots.length === 1 ? '' : ` (and ${roots.length - 1} more)`;
  return [
    {
      path: first.folder,
      message: `input of kustomize${others}, which is not read: render it, and read the result: kubectl kustomize ${first.folder} > FILE`,
      covers: [...covers],
    },
  ];
}

/** The charts among some folders, as one item. */
export function unrenderedCharts(folders: readonly string[]): Unrendered[] {
  const [first] = folders;
  if (first === undefined) return [];
  const others = folders.length === 1 ? '' : ` (and ${folders.length - 1} more)`;
  return [
    {
      path: first,
      message: `a Helm chart${others}, which is not read: render it, and read the result: helm template ${first} > FILE`,
      covers: [...folders],
    },
  ];
}
