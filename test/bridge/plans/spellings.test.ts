/** The documented and the shipped spelling of one group give the same plan. */
import { parseManifests } from '../../../api';
import { resolveTrees } from '../../../bridge';
import type { Plan } from '../../../contract';

const member = (name: string): string => `      - name: ${name}\n        kind: VirtualMachine\n`;

const documented = `
  - members:
${member('db')}    delay: 30s
  - members:
${member('app')}    delay: 1m
  - members:
${member('web')}    delay: 5m
`;
const shipped = `
  - members:
${member('db')}
  - members:
${member('app')}    powerOnDelay: 30s
  - members:
${member('web')}    powerOnDelay: 60s
`;

function planOf(version: string, bootOrder: string): Plan {
  const group = `apiVersion: vmoperator.vmware.com/${version}
kind: VirtualMachineGroup
metadata: {name: shop, namespace: production}
spec:
  powerState: PoweredOn
  bootOrder:${bootOrder}`;
  const vms = ['db', 'app', 'web'].map(
    (name) => `apiVersion: vmoperator.vmware.com/${version}
kind: VirtualMachine
metadata: {name: ${name}, namespace: production}
spec: {groupName: shop}`,
  );
  const { manifests, problems } = parseManifests([
    { path: 'shop.yaml', text: [group, ...vms].join('\n---\n') },
  ]);
  expect(problems).toEqual([]);
  const [plan] = resolveTrees(manifests);
  if (!plan) throw new Error('there is no plan');
  // The revision names the text, not what it means.
  return { ...plan, revision: '' };
}

it.each(['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'])('in %s', (version) => {
  const plan = planOf(version, documented);
  expect(plan).toEqual(planOf(version, shipped));
  expect(plan.tiers.map(({ powerOnDelay }) => powerOnDelay)).toEqual([0, 30_000, 60_000]);
  expect(plan).toEqual(planOf('v1alpha6', shipped));
});
