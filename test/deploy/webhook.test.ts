/**
 * The webhook of `deploy/webhook` on a real API server: the bridge runs with the arguments of the component, and the registrations are those
 * of the component, but for the address.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import { checkCluster } from '../../cli/doctor/cluster';
import type { CheckResult } from '../../cli/doctor/check-result';
import { until } from '../support/until';
import { buildWhenStale } from '../cli/vmgroup';
import { createAuthority, type Authority } from '../support/certificates';
import { podOf, renderedWith, type Manifest } from '../support/deploy';
import { startCluster, type TestCluster } from '../support/kubernetes';
import { startCommand, type Command } from '../support/processes';
import { startTemporal, type TestTemporal } from '../support/temporal';

interface Registration extends Manifest {
  webhooks: {
    clientConfig: { service?: { name: string; namespace: string; path: string } };
    rules: object[];
  }[];
}

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-webhook-'));
const files = { cert: path.join(dir, 'tls.crt'), key: path.join(dir, 'tls.key') };
let temporal: TestTemporal;
let cluster: TestCluster;
let manifests: Manifest[];
let bridge: Command | undefined;
let authority: Authority;

beforeAll(async () => {
  buildWhenStale();
  manifests = await renderedWith({
    resources: ['../deploy/base'],
    components: ['../deploy/webhook-cert-manager'],
  });
  [temporal, cluster] = await Promise.all([startTemporal(), startCluster()]);
  authority = createAuthority(dir);
  authority.issue(files.cert, files.key);
  await cluster.run(['apply', '--server-side', '-k', path.join(__dirname, '../../deploy/base')]);
}, 240_000);
afterAll(async () => {
  await bridge?.stop();
  await Promise.all([cluster.stop(), temporal.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

function named(kind: string, name: string): Manifest {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

/** A registration as it is shipped, but for the address, and the authority where cert-manager would have put it. */
function registration(kind: string, address: string, caBundle: string | undefined): string {
  const shipped = structuredClone(named(kind, 'vmgroup')) as Registration;
  for (const webhook of shipped.webhooks) {
    const { path: where = '' } = webhook.clientConfig.service ?? {};
    webhook.clientConfig = { url: `https://${address}${where}`, ...(caBundle && { caBundle }) } as object;
  }
  return stringify(shipped);
}

async function admission(): Promise<CheckResult | undefined> {
  const found = await checkCluster({ kubeconfig: cluster.kubeconfig(), leaseNamespace: 'vmgroup-system' });
  return found.find(({ check }) => check === 'admission');
}

async function register(address: string, caBundle?: string): Promise<void> {
  for (const kind of ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'])
    await cluster.run(['apply', '-f', '-'], registration(kind, address, caBundle));
}

test('the Service, the certificate and the annotations of cert-manager fit together', () => {
  const { service } =
    (named('ValidatingWebhookConfiguration', 'vmgroup') as Registration).webhooks[0]?.clientConfig ?? {};
  expect(named('Service', service?.name ?? '').metadata.namespace).toBe(service?.namespace);
  const pod = podOf(named('Deployment', 'vmgroup-bridge'));
  const [container] = pod.containers;
  expect(container?.['ports']).toContainEqual({ name: 'webhook', containerPort: 9443 });
  expect(container?.args).toContain('--webhook-port=9443');
  expect(pod['volumes']).toEqual([{ name: 'webhook', secret: { secretName: 'vmgroup-webhook-tls' } }]);
  expect(named('Certificate', 'vmgroup-webhook').spec).toMatchObject({
    secretName: 'vmgroup-webhook-tls',
    dnsNames: [`${service?.name}.${service?.namespace}.svc`],
  });
  for (const kind of ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration']) {
    expect(named(kind, 'vmgroup').metadata).toMatchObject({
      annotations: { 'cert-manager.io/inject-ca-from': 'vmgroup-system/vmgroup-webhook' },
    });
  }
});

/** What doctor says of the webhooks of operator commands. */
async function commands(): Promise<CheckResult[]> {
  const found = await checkCluster({ kubeconfig: cluster.kubeconfig(), leaseNamespace: 'vmgroup-system' });
  return found.filter(({ check }) => check === 'operator commands');
}

/** Registers what is shipped, changed in the webhook of commands. */
async function registerChanged(change: (webhooks: ShippedWebhook[]) => ShippedWebhook[]): Promise<void> {
  for (const kind of ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration']) {
    const shipped = structuredClone(named(kind, 'vmgroup')) as Manifest & { webhooks: ShippedWebhook[] };
    shipped.webhooks = change(shipped.webhooks);
    await cluster.run(['delete', kind.toLowerCase(), 'vmgroup', '--ignore-not-found']);
    await cluster.run(['apply', '-f', '-'], stringify(shipped));
  }
}

interface ShippedWebhook {
  name: string;
  failurePolicy?: string;
  clientConfig: { service?: { name: string; namespace: string; path: string }; caBundle?: string };
}

test('doctor finds each registration by which commands get past the webhooks, or none can be given', async () => {
  const caBundle = Buffer.from(authority.certificate).toString('base64');
  const trusted = (webhook: ShippedWebhook): ShippedWebhook => ({
    ...webhook,
    clientConfig: { ...webhook.clientConfig, caBundle },
  });
  // Nothing is registered: a way to run it that the documentation names.
  expect(await commands()).toMatchObject([
    {
      result: 'note',
      message: expect.stringMatching(/no Mutating.* no Validating.*may give every command/) as string,
      cure: expect.stringContaining('deploy/webhook') as string,
    },
  ]);
  await registerChanged((webhooks) => webhooks.slice(0, 1).map(trusted));
  expect(await commands()).toMatchObject([
    {
      result: 'problem',
      facts: { missing: ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'] },
    },
  ]);
  await registerChanged((webhooks) =>
    webhooks.map(trusted).map((each) => ({ ...each, failurePolicy: 'Ignore' })),
  );
  const passing = await commands();
  expect(passing.map(({ result, message }) => `${result}: ${message.split(':')[0]}`)).toEqual([
    'problem: webhook mutate-commands.vmgroup.dev of MutatingWebhookConfiguration vmgroup has failurePolicy Ignore',
    'problem: webhook validate-commands.vmgroup.dev of ValidatingWebhookConfiguration vmgroup has failurePolicy Ignore',
    'problem: their webhooks are registered, and a command passed without a stamp',
  ]);
  // The cure that is named cures.
  for (const { cure = '' } of passing.slice(0, 2)) {
    const [, kind = '', patch = ''] = /^kubectl patch (\w+) vmgroup --type=json -p '(.*)'$/.exec(cure) ?? [];
    await cluster.run(['patch', kind, 'vmgroup', '--type=json', '-p', patch]);
  }
  await registerChanged((webhooks) => webhooks);
  expect((await commands()).map(({ message }) => message)).toEqual(
    expect.arrayContaining([
      expect.stringContaining(
        'webhook mutate-commands.vmgroup.dev of MutatingWebhookConfiguration vmgroup has no caBundle',
      ),
      expect.stringContaining(
        'webhook validate-commands.vmgroup.dev of ValidatingWebhookConfiguration vmgroup has no caBundle',
      ),
    ]),
  );
  await registerChanged((webhooks) =>
    webhooks.map(trusted).map((each) => ({
      ...each,
      clientConfig: {
        ...each.clientConfig,
        service: { namespace: 'vmgroup-system', path: '/mutate', name: 'elsewhere' },
      },
    })),
  );
  expect(await commands()).toMatchObject([
    {
      result: 'problem',
      message: expect.stringMatching(/cannot be called:.*service "elsewhere" not found/) as string,
      cure: expect.stringContaining('does not exist') as string,
    },
  ]);
  for (const kind of ['validating', 'mutating'])
    await cluster.run(['delete', `${kind}webhookconfiguration`, 'vmgroup']);
}, 60_000);

test('doctor tells what is missing until the webhook answers; then mistakes are refused', async () => {
  expect(await admission()).toMatchObject({
    result: 'note',
    cure: expect.stringContaining('install') as string,
  });

  await register('127.0.0.1:1');
  expect(await admission()).toMatchObject({
    result: 'problem',
    message: 'a webhook has no caBundle, so the API server does not trust it',
  });

  const caBundle = Buffer.from(authority.certificate).toString('base64');
  await register('127.0.0.1:1', caBundle);
  expect(await admission()).toMatchObject({
    result: 'problem',
    message: 'the webhooks are installed, but were not called or did not answer',
  });

  const args = podOf(named('Deployment', 'vmgroup-bridge')).containers[0]?.args ?? [];
  const here = ['--health-host', '127.0.0.1', '--health-port', '0', '--webhook-host', '127.0.0.1'];
  const ours = [...here, '--webhook-port', '0', '--webhook-cert', files.cert, '--webhook-key', files.key];
  bridge = await startCommand([...args, ...ours], dir, /"msg":"ready"/, {
    TEMPORAL_ADDRESS: temporal.address,
    KUBECONFIG: cluster.kubeconfig('system:serviceaccount:vmgroup-system:vmgroup-bridge'),
    VMGROUP_LEASE_NAMESPACE: 'vmgroup-system',
  });
  const line = bridge
    .output()
    .split('\n')
    .find((each) => each.includes('the admission webhook listens'));
  const { address } = JSON.parse(line ?? '{}') as { address: string };
  await register(address, caBundle);
  await until(async () => (await admission())?.result === 'ok');
  // The bridge may not ask who may give which command.
  expect(await commands()).toMatchObject([
    { result: 'problem', cure: expect.stringContaining('ClusterRole vmgroup-webhook') as string },
  ]);
  await cluster.run(['apply', '-f', path.join(__dirname, '../../deploy/webhook/role.yaml')]);
  await until(async () => (await commands())[0]?.result === 'ok');
  expect(await commands()).toMatchObject([
    { result: 'ok', message: expect.stringContaining('stamp') as string },
  ]);
  // The authority is another one than that of the certificate.
  mkdirSync(path.join(dir, 'other'));
  const other = createAuthority(path.join(dir, 'other'));
  await register(address, Buffer.from(other.certificate).toString('base64'));
  const distrusted = await until(async () => (await commands()).find(({ result }) => result === 'problem'));
  expect(distrusted).toMatchObject({
    message: expect.stringMatching(/cannot be called:.*x509/) as string,
    cure: expect.stringContaining('caBundle is not that of the certificate') as string,
  });
  await register(address, caBundle);
  await until(async () => (await commands())[0]?.result === 'ok');

  const group = (name: string): string =>
    stringify({
      apiVersion: 'vmoperator.vmware.com/v1alpha6',
      kind: 'VirtualMachineGroup',
      metadata: { name, namespace: 'default' },
      spec: { bootOrder: [{ members: [{ name: 'db' }] }, { members: [{ name: 'db' }] }] },
    });
  const refused = await cluster.kubectl(['apply', '--server-side', '-f', '-'], { input: group('twice') });
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('validate.vmgroup.dev');
  expect(refused.stderr).toContain('spec.bootOrder[1].members[0]');
}, 120_000);
