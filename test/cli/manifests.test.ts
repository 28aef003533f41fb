import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildWhenStale, vmgroup } from './vmgroup';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-manifests-'));
const GOOD = `apiVersion: vmoperator.vmware.com/v1alpha4
kind: VirtualMachineGroup
metadata: {name: shop, namespace: prod}
spec:
  powerState: PoweredOn # since Monday
  bootOrder:
  - members: [{name: db}]
    delay: 30s
  - members: [{name: web}]
---
apiVersion: vmoperator.vmware.com/v1alpha5
kind: VirtualMachine
metadata: {name: db, namespace: prod}
spec: {groupName: shop}
---
apiVersion: vmoperator.vmware.com/v1alpha5
kind: VirtualMachine
metadata: {name: web, namespace: prod}
spec: {groupName: shop}
`;
/** `web` stands in the zone west, and `db` may not. */
const PLACED =
  GOOD.replace(
    'spec: {groupName: shop}\n---',
    `spec:
  groupName: shop
  affinity:
    zoneAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution: {labelSelector: {matchLabels: {app: web}}}
---`,
  )
    .replace('{name: web, namespace: prod}', '{name: web, namespace: prod, labels: {app: web}}')
    .replace(
      /spec: \{groupName: shop\}\n$/,
      'spec: {groupName: shop}\nstatus: {uniqueID: vm-7, zone: west}\n',
    ) +
  `---
apiVersion: vmgroup.dev/v1alpha1
kind: SimulatedInventory
metadata: {name: two-hosts}
spec:
  hosts:
  - {name: w, zone: west, cpus: 8, memory: 16Gi}
  - {name: e, zone: east, cpus: 8, memory: 16Gi}
`;
const GATED = `${GOOD}---
apiVersion: vmgroup.dev/v1alpha1
kind: SequencePolicy
metadata: {name: default, namespace: prod}
spec: {gate: Condition/Booted}
`;
const BAD = GOOD.replace('PoweredOn', 'On').replace('30s', '-30s');

beforeAll(() => {
  buildWhenStale();
  writeFileSync(path.join(dir, 'good.yaml'), GOOD);
  writeFileSync(path.join(dir, 'gated.yaml'), GATED);
  writeFileSync(path.join(dir, 'bad.yaml'), BAD);
  writeFileSync(path.join(dir, 'placed.yaml'), PLACED);
  writeFileSync(path.join(dir, 'full.yaml'), PLACED.replace('zone: east', 'zone: west'));
}, 180_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const run = (...args: string[]) => vmgroup(args, { cwd: dir });

describe('validate', () => {
  test('what is right is counted, and ends with 0', async () => {
    expect(await run('validate', 'good.yaml')).toEqual({
      code: 0,
      stdout: '',
      stderr: '1 file: 1 group and 2 VMs, no errors\n',
    });
  });

  test('--platform: what the platform lacks is a warning, also of plan, and ends with 0', async () => {
    const warning =
      'warning: db, web on platform simulated: nothing reports conditions, so gate Condition/Booted will time out';
    const validated = await run('validate', 'gated.yaml', '--platform', 'simulated');
    expect(validated).toEqual({
      code: 0,
      stdout: `VirtualMachineGroup prod/shop: ${warning}\n`,
      stderr: '1 file: 1 group and 2 VMs, no errors\n',
    });
    expect(await run('validate', 'gated.yaml', '--platform', 'vm-operator')).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect(await run('validate', 'gated.yaml')).toMatchObject({ code: 0, stdout: '' });
    const planned = await run('plan', 'gated.yaml', '--platform', 'simulated');
    expect(planned).toMatchObject({ code: 0, stderr: `VirtualMachineGroup prod/shop: ${warning}\n` });
  });

  test('VMs are on the platforms that a Platform gives their namespace to, in plan too', async () => {
    const platforms =
      'apiVersion: vmgroup.dev/v1alpha1\nkind: Platform\nmetadata: {name: west}\n' +
      'spec: {namespaces: [prod], simulated: {address: "http://127.0.0.1:1"}}\n';
    writeFileSync(path.join(dir, 'west.yaml'), platforms);
    const warning = 'db, web on platform simulated: nothing reports conditions';
    const args = ['gated.yaml', '--platforms', 'west.yaml', '--platform'];
    expect((await run('validate', ...args, 'vm-operator')).stdout).toContain(warning);
    const planned = await run('plan', ...args, 'vm-operator');
    expect(planned.stderr).toContain(warning);
    expect(planned.stdout).toContain('placed on platform west: db, web');
    expect(await run('validate', ...args, 'nowhere')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no platform nowhere') as string,
    });
  });

  test('standard input, as - and by its path, and what is ignored is counted', async () => {
    const other = '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n';
    const said = '1 file: 1 group and 2 VMs, no errors\n';
    const ignored = 'ignored objects of other kinds: ConfigMap (v1)\n';
    for (const name of ['-', '/dev/stdin'])
      expect(await vmgroup(['validate', name], { input: GOOD + other })).toEqual({
        code: 0,
        stdout: '',
        stderr: said + ignored,
      });
    const both = await vmgroup(['validate', '-'], { input: BAD + other });
    expect(both).toMatchObject({ code: 1, stderr: expect.stringContaining(ignored) as string });
    const bad = await vmgroup(['validate', '-', '-'], { input: Buffer.from(`\ufeff${BAD}`, 'utf16le') });
    expect(bad.stdout).toMatch(/^stdin:5:15: spec\.powerState: .+$/m);
    const steps = await vmgroup(['plan', '-'], { input: GOOD });
    expect(steps).toEqual(await run('plan', 'good.yaml'));
    expect(await vmgroup(['plan', '/dev/stdin'], { input: GOOD })).toEqual(steps);
  });

  test('standard input has a limit, and is not followed', async () => {
    const large = await vmgroup(['validate', '-'], { input: Buffer.alloc(17 * 2 ** 20, '#') });
    expect([large.code, large.stderr]).toEqual([
      1,
      expect.stringContaining('stdin has more than 16777216 bytes'),
    ]);
    const { code, stderr } = await vmgroup(['up', '-', '--data', path.join(dir, 'data')], { input: GOOD });
    expect([code, stderr]).toEqual([1, expect.stringContaining('standard input cannot be watched')]);
  });

  test('input of kustomize is one problem', async () => {
    const tree = path.join(dir, 'tree');
    mkdirSync(path.join(tree, 'base'), { recursive: true });
    mkdirSync(path.join(tree, 'prod'));
    writeFileSync(path.join(tree, 'base/kustomization.yaml'), 'resources: [a.yaml]\n');
    writeFileSync(path.join(tree, 'base/a.yaml'), GOOD);
    writeFileSync(path.join(tree, 'prod/kustomization.yaml'), 'resources: [../base]\nnamespace: prod\n');
    const { code, stdout } = await run('validate', 'tree');
    expect(code).toBe(1);
    expect(stdout).toBe(
      'tree/prod:1:1: input of kustomize, which is not read: render it, and read the result: kubectl kustomize tree/prod > FILE\n',
    );
  });

  test('every problem has its place and its path, and the end is 1', async () => {
    const { code, stdout, stderr } = await run('validate', 'bad.yaml');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^bad\.yaml:5:15: spec\.powerState: .+$/m);
    expect(stdout).toMatch(/^bad\.yaml:8:12: spec\.bootOrder\[0\]\.delay: .+$/m);
    expect(stderr).toContain('error: 2 errors in 1 file\n');
  });

  test('-o json is a list of problems', async () => {
    const { stdout } = await run('validate', 'bad.yaml', '-o', 'json');
    expect(JSON.parse(stdout)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ file: 'bad.yaml', line: 5, path: 'spec.powerState', severity: 'Error' }),
      ]),
    );
  });

  test('a path that does not exist is named', async () => {
    expect(await run('validate', 'nowhere')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('error: nowhere does not exist\n  → name a file') as string,
    });
  });
});

describe('plan', () => {
  test('the steps in order with their earliest times', async () => {
    const { code, stdout } = await run('plan', 'good.yaml');
    expect(code).toBe(0);
    const [steps = '', places = ''] = stdout.split(/\n(?=ZONE )/);
    const rows = steps.split('\n').map((line) => line.split(/ {2,}/));
    expect(rows[0]?.[0]).toBe(
      'prod/shop: PoweredOff → PoweredOn, at least 30s and the time that the VMs take',
    );
    expect(rows.slice(2, -1).map((row) => row.slice(0, 5))).toEqual([
      ['AT LEAST', 'GROUP', 'TIER', 'STEP', 'MEMBER'],
      ['+0s', 'shop', '-', 'Place', '-'],
      ['+0s', 'shop', '1', 'PowerOn', 'db'],
      ['+0s', 'shop', '2', 'Wait', '-'],
      ['+30s', 'shop', '2', 'PowerOn', 'web'],
    ]);
    expect(places).toMatch(
      /^ZONE +HOST +VM +DATASTORE\nzone-a +zone-a-host-\d +\w+ +\w+\nzone-b +zone-b-host-\d +\w+ +\w+\n$/,
    );
  });

  test('--to another state', async () => {
    const { stdout } = await run(
      'plan',
      'good.yaml',
      '--group',
      'prod/shop',
      '--to',
      'PoweredOff',
      '-o',
      'json',
    );
    const [plan] = JSON.parse(stdout) as { forecast: { steps: { action: string; member: string }[] } }[];
    expect(plan?.forecast.steps.map(({ action, member }) => `${action} ${member}`)).toEqual([
      'PowerOff db',
      'PowerOff web',
    ]);
  });

  test('where the VMs would be placed, and the outcome of each rule; VMs with a place keep it', async () => {
    const { stdout } = await run('plan', 'placed.yaml');
    expect(stdout).toContain(
      [
        'ZONE   HOST   VM   DATASTORE',
        'east   e      db   vsanDatastore',
        '',
        'RULE OF   OUTCOME   STRENGTH   RULE',
        'db        Kept      Required   spec.affinity.zoneAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution',
      ].join('\n'),
    );
  });

  test('or the reason why there is no place for them; JSON distinguishes both', async () => {
    const { code, stdout } = await run('plan', 'full.yaml', '-o', 'json');
    const [plan] = JSON.parse(stdout) as { placement: { type: string; message: string } }[];
    expect({ code, ...plan?.placement }).toMatchObject({
      code: 0,
      type: 'Infeasible',
      message: expect.stringContaining('cannot hold: there is no zone for it without prod/web') as string,
    });
  });

  test('a flow chart', async () => {
    const { stdout } = await run('plan', 'good.yaml', '-o', 'mermaid');
    expect(stdout).toContain('flowchart LR\n  subgraph s0["shop, placement, +0s"]');
    expect(stdout).toMatch(/s1 -->\|".*30s.*"\| s2/);
  });

  test('a group that is not there is an error that names those that are', async () => {
    expect(await run('plan', 'good.yaml', '--group', 'prod/shops')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('groups there: prod/shop') as string,
    });
  });
});

test('errors name some of very many groups', async () => {
  const groups = Array.from(
    { length: 300 },
    (_, at) => `apiVersion: vmoperator.vmware.com/v1alpha4
kind: VirtualMachineGroup
metadata: {name: group-${String(at).padStart(3, '0')}, namespace: prod}
spec: {powerState: PoweredOn}
`,
  );
  const named = /prod\/group-000, (prod\/group-\d+, ){8}prod\/group-009 and 290 more\)?\n$/;
  writeFileSync(path.join(dir, 'many.yaml'), groups.join('---\n'));
  expect((await run('plan', 'many.yaml', '--group', 'prod/none')).stderr).toMatch(named);
  writeFileSync(path.join(dir, 'many.yaml'), groups.join('---\n').replaceAll('powerState: PoweredOn', ''));
  expect((await run('plan', 'many.yaml')).stderr).toMatch(named);
});

describe('power', () => {
  test('sets the state in the manifest and leaves the rest, comments too', async () => {
    const file = path.join(dir, 'edited.yaml');
    writeFileSync(file, GOOD);
    expect(await run('power', 'off', 'prod/shop', '--path', file)).toMatchObject({
      code: 0,
      stdout: `prod/shop: spec.powerState is now PoweredOff in ${file}\n`,
    });
    expect(readFileSync(file, 'utf8')).toBe(GOOD.replace('PoweredOn', 'PoweredOff'));
    expect((await run('power', 'off', 'prod/shop', '--path', file)).stdout).toContain(
      'is PoweredOff already',
    );
  });

  test('two manifests of one group are not guessed between', async () => {
    writeFileSync(path.join(dir, 'edited.yaml'), GOOD);
    expect(await run('power', 'off', 'prod/shop', '--path', 'good.yaml', 'edited.yaml')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('prod/shop is in good.yaml and edited.yaml') as string,
    });
    expect(readFileSync(path.join(dir, 'good.yaml'), 'utf8')).toBe(GOOD);
  });

  test('the file keeps its permissions, owner and group', async () => {
    const file = path.join(dir, 'shared.yaml');
    writeFileSync(file, GOOD);
    const { uid, gid } = statSync(file);
    // Only root may give a file away.
    const owner = uid === 0 ? { uid: 4711, gid: 4712 } : { uid, gid };
    chownSync(file, owner.uid, owner.gid);
    chmodSync(file, 0o666);
    expect(await run('power', 'off', 'prod/shop', '--path', file)).toMatchObject({ code: 0 });
    const after = statSync(file);
    expect({ uid: after.uid, gid: after.gid, mode: after.mode & 0o777 }).toEqual({ ...owner, mode: 0o666 });
  });

  test('a group that another one outranks is not written: the change would have no effect', async () => {
    const file = path.join(dir, 'nested.yaml');
    const parent = `---
apiVersion: vmoperator.vmware.com/v1alpha4
kind: VirtualMachineGroup
metadata: {name: site, namespace: prod}
spec:
  powerState: PoweredOn
  bootOrder: [{members: [{name: shop, kind: VirtualMachineGroup}]}]
`;
    const child = GOOD.replace('spec:\n', 'spec:\n  groupName: site\n');
    writeFileSync(file, child + parent);
    const { code, stdout, stderr } = await run('power', 'off', 'prod/shop', '--path', file);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')).toEqual([
      'error: prod/shop is in prod/site, whose power state PoweredOn outranks it, so the change would have no effect',
      '  → change all of prod/site: vmgroup power off prod/site',
      `  → or change this group alone: first remove its spec.groupName, in ${file}`,
      '',
    ]);
    expect(readFileSync(file, 'utf8')).toBe(child + parent);
    expect(await run('power', 'off', 'prod/site', '--path', file)).toMatchObject({ code: 0 });
    writeFileSync(file, child + parent.replace('  powerState: PoweredOn\n', ''));
    expect(await run('power', 'off', 'prod/shop', '--path', file)).toMatchObject({ code: 0 });
  });

  test('where no manifest is known, it says how to name one', async () => {
    expect(await run('power', 'off', 'prod/shop')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--path PATH') as string,
    });
  });
});

describe('the command line', () => {
  test.each([
    ['a command that does not exist', ['pwer'], 64],
    ['an option that does not exist', ['plan', 'good.yaml', '--frm', 'x'], 64],
    ['an operator command without a reason', ['pause', 'prod/shop'], 64],
    ['a name that is none', ['describe', 'Prod/Shop!'], 64],
    ['help', ['--help'], 0],
    ['help of a command', ['up', '--help'], 0],
    ['the version', ['--version'], 0],
  ])('%s', async (_what, args, code) => {
    const result = await run(...args);
    expect(result.code).toBe(code);
    expect(code === 0 ? result.stderr : result.stdout).toBe('');
  });

  test.each(['bash', 'zsh', 'fish'])('completion for %s names commands and options', async (shell) => {
    const { stdout } = await run('completion', shell);
    for (const word of ['skip-delay', 'exit-when-converged']) expect(stdout).toContain(word);
  });

  test('commands without Temporal say how to get one', async () => {
    expect(await run('get', 'runs', '--temporal', '127.0.0.1:1')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: no Temporal server answers at 127\.0\.0\.1:1[^]*vmgroup up PATH/,
      ) as string,
    });
  });

  test('validate and help load nothing of Temporal', async () => {
    const { stderr } = await vmgroup(['validate', 'good.yaml'], { cwd: dir, env: { NODE_DEBUG: 'module' } });
    expect(stderr).toContain('node_modules/commander');
    expect(stderr).not.toContain('@temporalio');
  });
});

describe('an inventory that cannot be used', () => {
  test.each([
    ['plan', ['plan']],
    ['up', ['up', '--exit-when-converged']],
    ['simulator', ['simulator', '--port', '0']],
  ])('an invalid one is an error of %s, and no other hosts take its place', async (_name, command) => {
    const file = path.join(dir, 'invalid-inventory.yaml');
    writeFileSync(file, PLACED.replace('cpus: 8', 'cpus: -8'));
    const { code, stdout, stderr } = await vmgroup([...command, file, ...dataOf(command)]);
    expect(code).toBe(1);
    expect(stdout).not.toMatch(/zone-a|Placed/);
    expect(stderr).toContain('the SimulatedInventory two-hosts is invalid');
  });

  test('where a file cannot be read, plan knows no place', async () => {
    const folder = mkdtempSync(path.join(dir, 'broken-'));
    writeFileSync(path.join(folder, 'good.yaml'), GOOD);
    writeFileSync(path.join(folder, 'broken.yaml'), 'kind: [');
    const { stdout } = await vmgroup(['plan', folder]);
    expect(stdout).toMatch(/placement: unknown: .*broken\.yaml could not be read/);
  });

  function dataOf([command]: string[]): string[] {
    return command === 'plan' ? [] : ['--data', mkdtempSync(path.join(dir, 'data-'))];
  }
});
