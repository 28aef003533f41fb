/**
 * Each example on a real API server, as a user applies it: `kubectl apply` with strict validation, VM Operator's VM controller played by the
 * simulator, and `kubectl wait` until it is Ready. All of them run side by side, with their real delays.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseManifests } from '../../api';
import { RESOURCES } from '../../kubernetes';
import { startClusterSystem, type ClusterSystem, type GroupStatusOnServer } from '../support/cluster-system';
import { EXAMPLES, exampleFolders } from '../support/examples';
import { classManifest } from '../support/manifests';
import { serveExample } from '../support/services';
import { effects } from '../support/system';

jest.setTimeout(400_000);

const folders = exampleFolders();
const { manifests } = parseManifests(
  folders.flatMap((folder) =>
    readdirSync(path.join(EXAMPLES, folder))
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => ({
        path: `${folder}/${file}`,
        text: readFileSync(path.join(EXAMPLES, folder, file), 'utf8'),
      })),
  ),
);
const roots = manifests.groups.filter(({ groupName }) => groupName === undefined);
const standingBy = roots.filter(({ powerState }) => powerState === 'PoweredOff');

/** The classes that examples name and do not bring: an administrator has put them into the namespace. */
function providedClasses(): string {
  const key = (namespace: string, name: string): string => `${namespace}/${name}`;
  const own = new Set(manifests.classes.map(({ namespace, name }) => key(namespace, name)));
  const missing = new Set(
    manifests.virtualMachines.flatMap(({ namespace, className }) =>
      className === undefined || own.has(key(namespace, className)) ? [] : [key(namespace, className)],
    ),
  );
  return [...missing]
    .map((each) => each.split('/'))
    .map(([namespace = '', name = '']) => classManifest(namespace, name, { cpus: 2, memory: '4Gi' }))
    .join('---\n');
}

let system: ClusterSystem;
/** Status of each standing group before it was powered on. */
const standing: Record<string, GroupStatusOnServer | undefined> = {};

let endServices: () => void;
beforeAll(async () => {
  endServices = await serveExample();
  system = await startClusterSystem({ platform: 'vm-operator' });
  await system.startBridge();
  const namespaces = new Set(manifests.groups.map(({ namespace }) => namespace));
  await Promise.all([...namespaces].map((name) => system.kubectl(['create', 'namespace', name])));
  await system.kubectl(['apply', '--server-side', '-f', '-'], providedClasses());
  for (const folder of folders) {
    const files = ['-f', path.join(EXAMPLES, folder)];
    await system.kubectl(['apply', '--server-side', '--validate=strict', ...files]);
  }
  for (const { namespace, name } of standingBy) {
    await system.ready(namespace, name);
    standing[name] = await system.status(namespace, name);
    const patch = JSON.stringify({ spec: { powerState: 'PoweredOn' } });
    await system.kubectl(['-n', namespace, 'patch', 'vmg', name, '--type=merge', '-p', patch]);
    await system.kubectl([
      '-n',
      namespace,
      'wait',
      '--for=jsonpath={.status.observedGeneration}=2',
      '--timeout=20s',
      `vmg/${name}`,
    ]);
  }
  await Promise.all(roots.map(({ namespace, name }) => system.ready(namespace, name, 300)));
});

afterAll(async () => {
  endServices?.();
  await system.stop();
});

it('a group that stands by has its VMs, placed and powered off', () => {
  expect(standingBy.map(({ name }) => name).sort()).toEqual(['dev-environment', 'dr-site']);
  for (const { name } of standingBy) {
    const members = standing[name]?.members ?? [];
    expect(members.length).toBeGreaterThan(0);
    for (const member of members) {
      expect(member.placement?.zoneID).toMatch(/^zone-/);
      expect(member.powerState).toBe('PoweredOff');
    }
  }
});

describe.each(roots.map(({ namespace, name, powerState }) => ({ namespace, name, powerState })))(
  '$namespace/$name',
  ({ namespace, name, powerState }) => {
    it('says in its status what was reached', async () => {
      // Ready is what is observed; the run takes a moment longer to end.
      const phase = powerState === undefined ? 'Unmanaged' : 'Converged';
      const status = await system.until(async () => {
        const found = await system.status(namespace, name);
        return found?.phase === phase ? found : undefined;
      }, `${namespace}/${name} to be ${phase}`);
      expect(status.conditions.find(({ type }) => type === 'Ready')).toMatchObject({
        status: 'True',
        reason: 'AllMembersReady',
      });
      for (const member of status.members) {
        const reasons = member.conditions.map(({ type, status: is, reason }) => `${type}=${is} ${reason}`);
        if (member.kind === 'VirtualMachineGroup') {
          expect(reasons).toEqual(['GroupLinked=True MemberLinked', 'Ready=True AllMembersReady']);
          continue;
        }
        expect(reasons).toContain('GroupLinked=True MemberLinked');
        expect(
          reasons.some((each) => /^PlacementReady=True (PlacementComputed|AlreadyPlaced)$/.test(each)),
        ).toBe(true);
        if (powerState !== undefined) expect(reasons).toContain('PowerStateSynced=True PowerStateMatches');
        const vm = await system.get(RESOURCES.virtualMachines, namespace, member.name);
        expect(member.uid).toBe(vm?.metadata.uid);
        expect(vm?.status).toMatchObject({ zone: member.placement?.zoneID });
        expect(vm?.metadata.ownerReferences?.map((owner) => owner.name)).toEqual([name]);
      }
    });
  },
);

it('no VM was powered twice, and none was powered on before its group came to it', async () => {
  const journal = await system.journal();
  for (const namespace of new Set(manifests.groups.map((group) => group.namespace))) {
    const mine = effects(journal, namespace).filter((text) => text.startsWith('PoweredOn '));
    expect(mine).toEqual([...new Set(mine)]);
  }
});
