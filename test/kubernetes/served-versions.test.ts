/** Which version of a resource is used, and when the server is asked for it. */
import { KubernetesError, RESOURCES } from '../../kubernetes';
import { ServedVersions } from '../../kubernetes/served-versions';

const { virtualMachines, virtualMachineGroups, leases } = RESOURCES;
const unknownPath = (): KubernetesError => new KubernetesError('404 page not found', 404, '');

/** A server that serves resources in some versions; `asked`: the paths of discovery requests. */
function server(served: () => Record<string, string[]>): {
  versions: ServedVersions;
  asked: string[];
  call: (resource: { plural: string; version: string }) => Promise<string>;
} {
  const asked: string[] = [];
  const versions = new ServedVersions(async (path) => {
    asked.push(path);
    const [, , , version] = path.split('/');
    if (version === undefined) {
      const all = [...new Set(Object.values(served()).flat())];
      return { versions: all.map((each) => ({ version: each })) };
    }
    const plurals = Object.entries(served()).filter(([, each]) => each.includes(version));
    return { resources: plurals.map(([name]) => ({ name })) };
  });
  const call = async ({ plural, version }: { plural: string; version: string }): Promise<string> => {
    if (!served()[plural]?.includes(version)) throw unknownPath();
    return version;
  };
  return { versions, asked, call };
}

test('SERVED-1: each resource is used in the newest version that the server serves of it', async () => {
  const served = {
    virtualmachines: ['v1alpha1', 'v1alpha3', 'v1alpha5'],
    virtualmachinegroups: ['v1alpha4'],
  };
  const { versions, call } = server(() => served);
  expect(await versions.call(virtualMachines, call)).toBe('v1alpha5');
  expect(await versions.call(virtualMachineGroups, call)).toBe('v1alpha4');
});

test('SERVED-2: a server with the newest version is asked nothing, another one once, and again after an update', async () => {
  let served = ['v1alpha6'];
  const { versions, asked, call } = server(() => ({ virtualmachines: served }));
  const several = (): Promise<string[]> =>
    Promise.all([1, 2, 3].map(() => versions.call(virtualMachines, call)));
  expect(await several()).toEqual(['v1alpha6', 'v1alpha6', 'v1alpha6']);
  expect(asked).toEqual([]);
  served = ['v1alpha5'];
  expect(await several()).toEqual(['v1alpha5', 'v1alpha5', 'v1alpha5']);
  await several();
  expect(asked).toEqual(['/apis/vmoperator.vmware.com', '/apis/vmoperator.vmware.com/v1alpha5']);
  served = ['v1alpha6', 'v1alpha7'];
  expect(await several()).toEqual(['v1alpha6', 'v1alpha6', 'v1alpha6']);
});

test('a version that we cannot write is not used: the error says what the server has', async () => {
  const { versions, call } = server(() => ({ virtualmachines: ['v1alpha1'], others: ['v2'] }));
  await expect(versions.call(virtualMachines, call)).rejects.toMatchObject({
    code: 404,
    reason: 'NotServed',
    message:
      'the API server serves virtualmachines.vmoperator.vmware.com in none of v1alpha6, v1alpha5, v1alpha4, v1alpha3, v1alpha2; ' +
      'versions of vmoperator.vmware.com: v1alpha1, v2',
  });
});

test('an object that does not exist, and a resource in one version, are no reason to ask', async () => {
  const { versions, asked } = server(() => ({}));
  const missing = new KubernetesError('no such object', 404, 'NotFound');
  await expect(versions.call(virtualMachines, () => Promise.reject(missing))).rejects.toBe(missing);
  await expect(versions.call(leases, () => Promise.reject(unknownPath()))).rejects.toThrow('404');
  expect(asked).toEqual([]);
});
