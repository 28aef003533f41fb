/**
 * The documentation says what the code does.
 *
 * D1: every manifest in it is valid, or is marked as one that is not.
 * D2: every command in it exists, with its options; those that need no server show what they really print.
 * D3: every link leads somewhere.
 * D4: every name that a user meets is in the reference.
 * D5: what is applied to a cluster is there and can be rendered, and the table of rights is the one that the code has.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { parse } from 'yaml';
import {
  crds,
  DEFAULT_POLICY,
  formatDuration,
  OPERATOR_COMMAND_RIGHTS,
  parseManifests,
  readOperatorCommand,
  SIMULATED_FAULT_TYPES,
  sequencePolicySchema,
  platformSchema,
  simulatedInventorySchema,
  virtualMachineGroupSchema,
} from '../../api';
import { EVENT_REASONS } from '../../bridge';
import { dataFolder } from '../../cli/data-folder';
import { PERMISSIONS } from '../../cli/doctor/permissions';
import { buildProgram } from '../../cli/program';
import { HTTP_LIMITS } from '../../http';
import { RESOURCES } from '../../kubernetes';
import { CLEAN_UP_TYPE, operatorUpdates, searchAttributeKeys, WORKFLOW_TYPE } from '../../contract';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { findKubernetesParts } from '../support/kubernetes-parts';
import {
  codeText,
  anchorsOf,
  blocksOf,
  codeOf,
  commandsOf,
  documents,
  linksOf,
  METRIC_FILES,
  root,
  savedAs,
  textOf,
  type Block,
  type Shown,
} from './documents';
import { definedSignals, fieldOf, fieldsOf, numbersOf, unionOf } from './source';

const all = documents.flatMap((file) => blocksOf(file).map((block) => ({ file, block })));

describe('D1: manifests', () => {
  const manifests = all
    .filter(({ block }) => block.language === 'yaml' && !block.words.includes('kustomization'))
    .map(({ file, block }) => ({ file, block, place: `${file}:${block.line}` }));

  test('there are some', () => {
    expect(manifests.length).toBeGreaterThan(5);
  });

  test.each(manifests)('$place', ({ block, place }) => {
    if (block.text.includes('kind: OperatorCommand')) {
      // It is for an API server: it is no manifest of desired state.
      const { kind, spec } = parse(block.text) as { kind: string; spec: unknown };
      expect({ kind, ...readOperatorCommand(spec) }).toEqual({ kind: 'OperatorCommand', spec });
      return;
    }
    const { problems } = parseManifests([{ path: place, text: wrapped(block) }]);
    const errors = problems.filter(({ severity }) => severity === 'Error');
    if (block.words.includes('invalid')) expect(errors).not.toEqual([]);
    else expect(errors).toEqual([]);
  });

  /** A fragment gets the rest of the smallest document of its kind. */
  function wrapped({ text, words }: Block): string {
    const kind = words[words.indexOf('fragment') + 1];
    if (!words.includes('fragment') || kind === undefined) return text;
    const version = kind.startsWith('V') ? 'vmoperator.vmware.com/v1alpha5' : 'vmgroup.dev/v1alpha1';
    return `apiVersion: ${version}\nkind: ${kind}\nmetadata: {name: example}\n${text}`;
  }
});

describe('D2: commands', () => {
  const shown = all
    .filter(({ block }) => block.language === 'console')
    .flatMap(({ file, block }) => commandsOf(file, block))
    // `kubectl exec ... -- vmgroup ...` and `docker compose exec bridge vmgroup ...` run one in a container.
    .map((command) => {
      const { words } = command;
      const inside = words.includes('exec') ? words.indexOf('vmgroup') : 0;
      return { ...command, words: words.slice(Math.max(inside, 0)) };
    })
    .filter(({ words }) => words[0] === 'vmgroup');

  test('there are some', () => {
    expect(shown.length).toBeGreaterThan(30);
  });

  test.each(shown)('$place exists', async ({ words }) => {
    const program = inert(buildProgram());
    const parsing = program.parseAsync(words.slice(1), { from: 'user' });
    if (words.includes('--version'))
      await expect(parsing).rejects.toMatchObject({ code: 'commander.version' });
    else await expect(parsing).resolves.toBe(program);
  });

  /** The program without what its commands do, and silent. */
  function inert(command: Command): Command {
    command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    for (const each of command.commands) inert(each);
    return command;
  }
});

describe('D2: output', () => {
  const base = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'vmgroup-docs-')));
  beforeAll(() => buildWhenStale(), 180_000);
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  test.each(documents.filter((file) => blocksOf(file).some(({ language }) => language === 'console')))(
    '%s shows what is printed',
    async (file) => {
      const folder = path.join(base, file.replaceAll('/', '-'));
      mkdirSync(folder);
      cpSync(path.join(root, 'examples'), path.join(folder, 'examples'), { recursive: true });
      const imported = new Set<string>();
      for (const block of blocksOf(file)) {
        const target = savedAs(block);
        if (target !== undefined) {
          mkdirSync(path.dirname(path.join(folder, target)), { recursive: true });
          writeFileSync(path.join(folder, target), block.text);
        }
        if (block.language !== 'console') continue;
        for (const command of commandsOf(file, block)) {
          if (command.words[1] === 'import') imported.add(command.words.at(-1) ?? '');
          // What a platform would have given is not there.
          if (!command.words.some((word) => imported.has(word))) await check(command, folder);
        }
      }
      expect(existsSync(path.join(folder, '.vmgroup'))).toBe(false);
    },
    120_000,
  );

  test('the alias leads from any folder to the command, and nothing says npx vmgroup, which builds the clone again', () => {
    const aliases = all
      .filter(({ block }) => block.language === 'console')
      .flatMap(({ block }) => block.text.match(/^\$ alias vmgroup=.*$/gm) ?? []);
    expect(aliases.length).toBeGreaterThanOrEqual(5);
    expect(new Set(aliases).size).toBe(1);
    const script = `shopt -s expand_aliases\n${aliases[0]?.slice(2)}\ncd /\nvmgroup --version\n`;
    const printed = execFileSync('bash', { cwd: root, input: script, encoding: 'utf8' });
    expect(printed).toBe(`${(JSON.parse(textOf('package.json')) as { version: string }).version}\n`);
    const examples = readdirSync(path.join(root, 'examples'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => path.join('examples', file));
    const typed = /^(\$|#|\| \d+) .*npx vmgroup/m;
    expect([...documents, ...examples].filter((file) => typed.test(textOf(file)))).toEqual([]);
  });

  /** Runs what needs no server: copies of examples, and commands on manifests alone. */
  async function check({ words, output, place }: Shown, folder: string): Promise<void> {
    const [program, ...args] = words;
    if (program === 'cp') {
      const [from = '', to = ''] = args.slice(1);
      cpSync(path.join(folder, from), path.join(folder, to), { recursive: true });
    }
    const needsServer = !/^(validate|plan|completion|--help|--version)$/.test(args[0] ?? '');
    if (program !== 'vmgroup' || needsServer || args.includes('kubernetes')) return;
    const result = await vmgroup(args, { cwd: folder, env: { NO_COLOR: '1' } });
    const printed = result.stdout + result.stderr;
    // Where nothing is shown, only that it works is claimed.
    if (output === '')
      expect({ place, code: result.code, stderr: result.stderr }).toEqual({ place, code: 0, stderr: '' });
    else expect({ place, printed }).toEqual({ place, printed: matching(output) });
  }

  /** Matches the output, with anything at all where a line `...` stands. */
  function matching(output: string): unknown {
    const pattern = output
      .split(/^\.\.\.$/m)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('[\\s\\S]*');
    return expect.stringMatching(new RegExp(`^${pattern}\\n?$`));
  }
});

describe('D5: on a cluster', () => {
  const page = 'docs/how-to/install-on-kubernetes.md';
  const base = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'vmgroup-docs-')));
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  test('what is named is there', () => {
    const words = all
      .filter(({ block }) => block.language === 'console')
      .flatMap(({ file, block }) => commandsOf(file, block))
      .filter(({ words: [program] }) => program === 'kubectl')
      .flatMap(({ words }) => words);
    const paths = [...words, ...codeOf(page)].filter((word) => /^(deploy|examples)\//.test(word));
    expect(paths.length).toBeGreaterThan(5);
    expect(paths.filter((each) => !existsSync(path.join(root, each)))).toEqual([]);
  });

  test('kustomizations are rendered', async () => {
    const { kubectl } = await findKubernetesParts();
    cpSync(path.join(root, 'deploy'), path.join(base, 'deploy'), { recursive: true });
    const shown = all.filter(({ block }) => block.words.includes('kustomization'));
    expect(shown.length).toBeGreaterThan(0);
    for (const { block } of shown) {
      const target = path.join(base, savedAs(block) ?? 'unnamed');
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, block.text);
      const text = execFileSync(kubectl.path, ['kustomize', path.dirname(target)], { encoding: 'utf8' });
      expect(text).toContain('image: registry.example/vmgroup:');
      expect(text).toContain('TEMPORAL_ADDRESS: temporal.example:7233');
    }
  });

  test('the tutorial counts the rights', () => {
    for (const who of ['bridge', 'worker'] as const) {
      const count = PERMISSIONS[who].flatMap(({ verbs }) => verbs).length;
      expect(textOf('docs/tutorial-kubernetes.md')).toMatch(
        new RegExp(`^rights of the ${who} +ok +all ${count} that it needs$`, 'm'),
      );
    }
  });

  test('the table of services and variables of the compose file', () => {
    const text = textOf('docker-compose.yml');
    const { services } = parse(text, { merge: true }) as { services: object };
    const variables = [...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name = '']) => name);
    const code = codeOf('docs/how-to/run-in-containers.md');
    expect([...Object.keys(services), ...variables].filter((name) => !code.includes(name))).toEqual([]);
  });

  test('the table of rights', () => {
    const rows = textOf(page)
      .split('\n')
      .filter((line) => /^\| (bridge|worker|simulator) /.test(line))
      .map((line) => line.replaceAll(/ +/g, ' '));
    const wanted = Object.entries(PERMISSIONS).flatMap(([who, permissions]) =>
      permissions.map(({ resource, subresource, verbs, where, reason }) => {
        const { plural, group } = RESOURCES[resource];
        const what = `\`${[plural, subresource].filter(Boolean).join('/')}\` of \`${group}\``;
        const place = where === 'lease' ? ', in its own namespace' : '';
        return `| ${who} | ${what}${place} | ${verbs.map((verb) => `\`${verb}\``).join(', ')} | ${reason} |`;
      }),
    );
    expect(rows).toEqual(wanted);
  });
});

describe('D3: links', () => {
  test.each(documents)('%s', (file) => {
    for (const link of linksOf(file)) {
      const [target = '', anchor] = link.split('#');
      const found = target === '' ? file : path.join(path.dirname(file), target);
      expect({ link, exists: existsSync(path.join(root, found)) }).toEqual({ link, exists: true });
      if (anchor !== undefined) expect(anchorsOf(found)).toContain(anchor);
    }
    expect(textOf(file)).toMatch(/^# .+\n/);
  });

  test('every document is reached from the README', () => {
    const reached = new Set<string>();
    const queue = ['README.md'];
    for (const file of queue) {
      if (reached.has(file) || !existsSync(path.join(root, file))) continue;
      reached.add(file);
      for (const link of linksOf(file)) {
        const [target = ''] = link.split('#');
        const found = path.join(path.dirname(file), target);
        if (!existsSync(path.join(root, found))) continue;
        if (statSync(path.join(root, found)).isDirectory()) queue.push(path.join(found, 'README.md'));
        else if (found.endsWith('.md')) queue.push(found);
      }
    }
    expect(documents.filter((file) => !reached.has(file))).toEqual([]);
  });

  test('pictures are small', () => {
    for (const image of readdirSync(path.join(root, 'docs/images')))
      expect(statSync(path.join(root, 'docs/images', image)).size).toBeLessThan(300_000);
  });
});

/** What troubleshoot.md quotes of the API server and of kubectl. */
const WORDS_OF_KUBERNETES = [
  'Duplicate value',
  'Unsupported value',
  'denied the request',
  'duplicate entries for key',
  'failed calling webhook',
  'metadata.annotations: Too long',
  'must be of type string',
  'no matches for kind "VirtualMachineGroup',
  "should match '",
];

describe('D4: the reference names', () => {
  const outcome = 'contract/outcome.ts';
  const progress = 'contract/progress.ts';
  const status = 'bridge/status/view.ts';
  test.each([
    ['status', 'phases of a group', [...unionOf(status, 'GroupPhase'), ...unionOf(progress, 'RunPhase')]],
    ['status', 'phases of a member', unionOf(progress, 'MemberPhase')],
    ['status', 'phases of a tier', fieldOf(progress, 'TierProgress', 'phase')],
    ['status', 'outcomes', unionOf(outcome, 'OutcomeType')],
    ['status', 'exceptions', unionOf(outcome, 'ExceptionReason')],
    ['status', 'condition types', fieldOf(status, 'Condition', 'type')],
    ['status', 'reasons of conditions', unionOf(status, 'ConditionReason')],
    ['status', 'events', [...EVENT_REASONS]],
    [
      'status',
      'fields of the outcome',
      fieldsOf(outcome, 'RunOutcome').filter((name) => name !== 'forceSync'),
    ],
    ['messages', 'causes', unionOf('contract/messages.ts', 'Cause')],
    ['messages', 'Updates', Object.keys(operatorUpdates)],
    ['messages', 'signals', definedSignals('contract/messages.ts')],
    ['messages', 'search attributes', Object.values(searchAttributeKeys).map(({ name }) => name)],
    ['messages', 'the workflow types', [WORKFLOW_TYPE, CLEAN_UP_TYPE]],
    ['messages', 'activities', fieldsOf('contract/activities.ts', 'Activities')],
    [
      'errors',
      'classes of failures',
      [...unionOf('platforms/platform.ts', 'FailureClass'), 'WorkerLost', 'Reset'],
    ],
    ['resources', 'faults', [...SIMULATED_FAULT_TYPES]],
    ['commands', 'what can hold a member', unionOf('insight/hold.ts', 'HoldKind')],
    [
      'status',
      'fields of the view',
      [...fieldsOf(status, 'RunView'), ...fieldsOf(status, 'GroupView')].filter(
        (name) => !['apiVersion', 'kind', 'status'].includes(name),
      ),
    ],
  ])('%s.md: %s', (page, _what, names) => {
    const code = codeOf(`docs/reference/${page}.md`);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !code.includes(name))).toEqual([]);
  });

  test('messages.md: fields of the plan message', () => {
    const words = codeOf('docs/reference/messages.md').flatMap((code) => code.split(/[^A-Za-z]+/));
    expect(fieldsOf('contract/messages.ts', 'PlanMessage').filter((name) => !words.includes(name))).toEqual(
      [],
    );
  });

  test('messages.md: fields of the progress', () => {
    const code = codeOf('docs/reference/messages.md').map((name) => name.replace(/(\[\]|\?)$/, ''));
    for (const type of ['Progress', 'TierProgress', 'MemberProgress'])
      expect(fieldsOf(progress, type).filter((name) => !code.includes(name))).toEqual([]);
  });

  test('errors.md: exit codes', () => {
    for (const code of numbersOf('cli/errors.ts', 'EXIT'))
      expect(squeezed('docs/reference/errors.md')).toContain(`\n| ${code} | `);
  });

  test('errors.md: no message that the code does not have', () => {
    const pieces = quotedPieces('docs/reference/errors.md');
    expect(pieces.length).toBeGreaterThan(40);
    expect(pieces.filter((piece) => !sources.includes(piece))).toEqual([]);
  });

  test('troubleshoot.md: no message that neither the code nor the API server has', () => {
    const pieces = quotedPieces('docs/how-to/troubleshoot.md');
    expect(pieces.length).toBeGreaterThan(40);
    expect(pieces.filter((piece) => !sources.includes(piece)).sort()).toEqual(WORDS_OF_KUBERNETES);
  });

  test('status.md: every mark and every field manager of ours', () => {
    const code = codeOf('docs/reference/status.md').join(' ');
    const marks = written.matchAll(/= '((?:[a-z-]+\.)+(?:dev|com|io|protected)\/[a-z-]*)'/g);
    const managers = written.matchAll(/_MANAGER = ['`](?:\$\{FIELD_MANAGER\})?([a-z-]+)['`]/g);
    // A value of topologyKey, and what kubectl leaves behind, are none of ours.
    const names = [...marks, ...managers]
      .map(([, name = '']) => name)
      .filter((name) => !/^(kubectl\.)?kubernetes\.io\//.test(name));
    expect(names.length).toBeGreaterThan(12);
    expect(names.filter((name) => !code.includes(name))).toEqual([]);
  });

  test('status.md: the events that are only in the log', () => {
    const code = textOf('bridge/kubernetes/event-recorder.ts').split('LOG_ONLY: ')[1]?.split(']);')[0] ?? '';
    const names = [...code.matchAll(/'(\w+)'/g)].map(([, name = '']) => name);
    const shown = textOf('docs/reference/status.md')
      .replaceAll('\n', ' ')
      .split('Only in the log: ')[1]
      ?.split('. ')[0];
    expect(names.length).toBeGreaterThan(3);
    expect([...(shown ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name).sort()).toEqual(names.sort());
  });

  test('operator-commands.md: the right that each command needs', () => {
    const rows = squeezed('docs/how-to/operator-commands.md').match(/^\| `vmgroup-operator-.*$/gm) ?? [];
    const shown = rows.flatMap((row) => {
      const [right = '', commands = ''] = cellsOf(row);
      const names = [...commands.matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => name);
      return names.map((name) => [name, right.replaceAll('`', '').replace('vmgroup-operator-', '')]);
    });
    expect(Object.fromEntries(shown)).toEqual(OPERATOR_COMMAND_RIGHTS);
  });

  test('metrics.md: every metric of ours, and no other', () => {
    const metric = /\bvmgroup_\w+/g;
    // A histogram is queried by its buckets.
    const names = textOf('docs/reference/metrics.md').match(metric) ?? [];
    const shown = new Set(names.map((name) => name.replace(/_bucket$/, '')));
    const written = METRIC_FILES.map(textOf).join();
    expect([...shown].sort()).toEqual([...new Set(written.match(metric))].sort());
  });

  test('metrics.md: every attribute of spans', () => {
    const code = codeOf('docs/reference/metrics.md');
    const names = ['tracing', 'traced-platform'].flatMap(
      (name) => textOf(`worker/${name}.ts`).match(/'vmgroup\.[a-z_]+'/g) ?? [],
    );
    expect(names.length).toBeGreaterThan(10);
    expect(names.filter((name) => !code.includes(name.slice(1, -1)))).toEqual([]);
  });

  test('resources.md: fields of groups', () => {
    expect(undocumented(leaves(virtualMachineGroupSchema))).toEqual([]);
  });

  test('resources.md: fields of policies', () => {
    expect(undocumented(leaves(sequencePolicySchema))).toEqual([]);
  });

  test('resources.md: fields of inventories', () => {
    expect(undocumented(leaves(simulatedInventorySchema))).toEqual([]);
  });

  test('resources.md: fields of platforms', () => {
    expect(undocumented(leaves(platformSchema))).toEqual([]);
  });

  test('resources.md: fields of operator commands', () => {
    const definition = crds().find(({ spec }) => spec.names.kind === 'OperatorCommand');
    const { spec, status } = definition?.spec.versions[0]?.schema.openAPIV3Schema.properties as Record<
      string,
      { properties: object }
    >;
    expect(undocumented([spec, status].flatMap((part) => Object.keys(part?.properties ?? {})))).toEqual([]);
  });

  test('resources.md: every kind', () => {
    const kinds = [...fieldsOf('api/kinds/kinds.ts', 'Kinds'), 'OperatorCommand'];
    const table = squeezed('docs/reference/resources.md');
    expect(kinds.filter((kind) => !table.includes(`\n| [${kind}](#${kind.toLowerCase()}) |`))).toEqual([]);
  });

  test('limits.md: the HTTP servers', () => {
    const [, head = '', , ...lines] = squeezed('docs/reference/limits.md')
      .split('## HTTP servers\n')[1]!
      .split('\n');
    const names = { 'health page': 'health', 'codec server': 'codec' } as Record<string, string>;
    const servers = cellsOf(head)
      .slice(1)
      .map((name) => HTTP_LIMITS[(names[name] ?? name) as keyof typeof HTTP_LIMITS]);
    expect(servers.length).toBe(Object.keys(HTTP_LIMITS).length);
    const seconds = (time: number): string => `${time / 1_000} s`;
    const bytes = (size: number): string =>
      size === 0 ? 'not read' : size < 2 ** 20 ? `${size / 1_024} KiB` : `${size / 2 ** 20} MiB`;
    expect(lines.slice(0, 8).map((line) => cellsOf(line).slice(1))).toEqual([
      servers.map(({ connections }) => connections.toLocaleString('en-US')),
      servers.map(({ headerBytes }) => bytes(headerBytes)),
      servers.map(({ bodyBytes }) => bytes(bodyBytes)),
      servers.map(({ allBodiesBytes }) => bytes(allBodiesBytes)),
      servers.map(({ headersTime }) => seconds(headersTime)),
      servers.map(({ requestTime }) => seconds(requestTime)),
      servers.map(({ keepAlive }) => seconds(keepAlive)),
      servers.map(({ silence }) => seconds(silence)),
    ]);
  });

  test('resources.md: built-in values of policies', () => {
    const page = squeezed('docs/reference/resources.md');
    for (const [field, value] of Object.entries(flat(DEFAULT_POLICY))) {
      const isTime = /timeout|interval|window/i.test(field);
      const written = Array.isArray(value) ? '[]' : isTime ? formatDuration(value as number) : String(value);
      expect(page).toContain(`| \`${field}\` | \`${written}\` |`);
    }
  });

  test('commands.md: every command and option, in its section, and no other', () => {
    const [top = '', ...sections] = textOf('docs/reference/commands.md').split(/^### /m);
    const common = optionsIn(top);
    const missing: string[] = [];
    const known = new Map<string, Set<string>>();
    for (const { name, options } of commandsOfProgram()) {
      const section = sections.find((each) => isAbout(each.split('\n')[0] ?? '', name));
      if (section === undefined) missing.push(name);
      for (const option of options) {
        if (section !== undefined) known.set(section, (known.get(section) ?? new Set()).add(option));
        if (!common.has(option) && !new RegExp(`${option}(?![a-z-])`).test(section ?? ''))
          missing.push(`${name} ${option}`);
      }
    }
    expect(missing).toEqual([]);
    const extra = [...known].flatMap(([section, options]) =>
      [...optionsIn(section)].filter((option) => !options.has(option)),
    );
    expect(extra).toEqual([]);
  });

  test('commands.md: every variable', () => {
    const code = codeOf('docs/reference/commands.md');
    const ours = written.match(/'VMGROUP_[A-Z_]+'/g) ?? [];
    const names = [
      ...ours.map((name) => name.slice(1, -1)),
      ...commandsOfProgram().flatMap(({ env }) => env),
    ];
    expect(names.length).toBeGreaterThan(20);
    expect([...new Set(names)].filter((name) => !code.includes(name))).toEqual([]);
  });

  test('commands.md: every file of a data folder', () => {
    const { dir, ...files } = dataFolder('/data');
    const page = textOf('docs/reference/commands.md').split('## The data folder')[1] ?? '';
    const names = Object.values(files).map((file) => path.relative(dir, file));
    expect(names.filter((name) => !page.includes(`\`${name}`))).toEqual([]);
  });

  /** Every command that does something, with its options and the variables that set them. */
  function commandsOfProgram(): { name: string; options: string[]; env: string[] }[] {
    const visit = (command: Command, above: string): ReturnType<typeof commandsOfProgram> =>
      command.commands.flatMap((each) => {
        if (each.commands.length > 0) return visit(each, `${each.name()} `);
        const options = each.options.flatMap(({ long }) => long ?? []);
        const env = each.options.flatMap(({ envVar }) => envVar ?? []);
        // `vmgroup record` lists.
        return { name: `${above}${each.name()}`.replace(/ list$/, ''), options, env };
      });
    return visit(buildProgram(), '');
  }

  /** Whether the heading of a section names a command: `vmgroup NAME ARGUMENTS`, or `NAME` after another one. */
  function isAbout(heading: string, command: string): boolean {
    return [...heading.matchAll(/`(?:vmgroup )?([^`]+)`/g)].some(([, shown]) =>
      `${shown} `.startsWith(`${command} `),
    );
  }

  /** The options in the first column of tables. */
  function optionsIn(text: string): Set<string> {
    const rows = text.replaceAll(/ {2,}/g, ' ').matchAll(/^\| ([^|]*`-[^|]*) \| /gm);
    return new Set([...rows].flatMap(([, cell = '']) => cell.match(/--[a-z-]+/g) ?? []));
  }

  /** The code that has messages; long ones are written in several pieces, with values in between. */
  const written = codeText();
  const sources = written + written.replaceAll(/['`]\s*\+\s*['`]/g, '').replaceAll(/\$\{[^}]*\}+/g, '…');

  /** The messages in the first column of a document's tables, without what stands for names and numbers. */
  function quotedPieces(file: string): string[] {
    const rows = squeezed(file).matchAll(/^\| ([^|]*`.+?) \| /gm);
    return [...rows]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)])
      .flatMap(([, message = '']) => message.split('…'))
      .map((piece) => piece.replace(/^[\s:;,()"]+|[\s:;,()"]+$/g, ''))
      .filter((piece) => piece.length > 7 && piece.includes(' ') && !piece.startsWith('kubectl '));
  }

  /** The cells of a row of a table. */
  function cellsOf(row: string): string[] {
    return row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  }

  /** A document without the blanks that align the columns of tables. */
  function squeezed(file: string): string {
    return textOf(file).replace(/ {2,}/g, ' ');
  }

  function flat(value: object, prefix = ''): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, inner]) =>
        typeof inner === 'object' && inner !== null && !Array.isArray(inner)
          ? Object.entries(flat(inner as object, `${prefix}${key}.`))
          : [[`${prefix}${key}`, inner]],
      ),
    );
  }

  /** Last parts of the names of all fields of `spec`. */
  function leaves(schema: { shape: Record<string, unknown> }): string[] {
    const found = new Set<string>();
    const visit = (node: unknown): void => {
      const definition = (node as { def?: Record<string, unknown> } | undefined)?.def;
      if (!definition) return;
      const { shape, innerType, element, options } = definition;
      for (const inner of [innerType, element]) visit(inner);
      for (const inner of (options as unknown[] | undefined) ?? []) visit(inner);
      for (const [name, inner] of Object.entries((shape as object | undefined) ?? {})) {
        found.add(name);
        visit(inner);
      }
    };
    visit(schema.shape['spec']);
    return [...found];
  }

  function undocumented(names: string[]): string[] {
    const code = codeOf('docs/reference/resources.md')
      .join(' ')
      .split(/[^A-Za-z]+/);
    expect(names.length).toBeGreaterThan(3);
    return names.filter((name) => !code.includes(name));
  }
});
