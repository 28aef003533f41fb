/** The text of manifests: what is no YAML, what is too much, and what YAML can do. */
import { formatProblem, MAX_DOCUMENTS, MAX_FILE_SIZE, parseManifests, type Problem } from '../../api';
import { composeDocuments } from '../../api/manifests/yaml';
import { documents, group, parse, problemsOf, vm } from './support';

describe('text that is wrong', () => {
  test.each([
    ['a list', '- a\n', ['1:1: a manifest is a mapping with apiVersion, kind and metadata']],
    ['a text', 'hello\n', ['1:1: a manifest is a mapping with apiVersion, kind and metadata']],
    [
      'keys that are there twice',
      group('g', 'powerState: PoweredOn', 'powerState: PoweredOff'),
      ['6:3: spec.powerState: duplicate key: it is set twice in this mapping'],
    ],
    [
      'keys that are there twice, in JSON',
      '{"apiVersion": "v1", "kind": "ConfigMap", "kind": "Secret"}',
      ['1:43: kind: duplicate key: it is set twice in this mapping'],
    ],
    ['a key that is no text', group('g', '? [a]', ': b'), ['5:5: spec: a key must be plain text']],
    [
      'an alias without an anchor',
      group('g', 'powerState: *state'),
      ['5:15: spec.powerState: alias *state has no anchor &state before it'],
    ],
    [
      'a merge of something else',
      group('g', '<<: 3'),
      ['5:3: spec[<<]: a merge key takes an alias of a mapping, or a list of them'],
    ],
    [
      'an alias within its own anchor',
      'a: &a [*a]\n',
      ['1:1: nested too deeply: at most 100 levels are read'],
    ],
    [
      'great depth',
      '['.repeat(200) + ']'.repeat(200),
      ['1:1: nested too deeply: at most 100 levels are read'],
    ],
    ['depth without end', '{a: '.repeat(100_000), ['1:1: nested too deeply: at most 100 levels are read']],
  ])('%s', (_, text, problems) => {
    expect(problemsOf(text)).toEqual(problems.map((problem) => `a.yaml:${problem}`));
  });

  test('a document that is no YAML leaves the others alone, and still tells whose it is', () => {
    const broken = group('broken', 'powerState: "PoweredOn');
    const { manifests, problems } = parse(documents(group('a'), group('b', 'bootOrder: [}'), group('c')));
    expect(manifests.groups.map(({ name }) => name)).toEqual(['a', 'c']);
    expect(problems.map(formatProblem)).toEqual([
      'a.yaml:9:15: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ]);
    expect(problems[0]?.object?.name).toBe('b');
    expect(parse(broken).manifests.groups).toEqual([]);
    expect(parse(broken).problems.length).toBeGreaterThan(0);
  });
});

describe('text that is too much', () => {
  test('a file over 1 MiB', () => {
    const text = `${group('g')}# ${'x'.repeat(MAX_FILE_SIZE)}`;
    expect(problemsOf(text)).toEqual([
      `a.yaml:1:1: the file has ${text.length} bytes, at most 1048576 (1 MiB) are read: split it`,
    ]);
    expect(parse(text).manifests.groups).toEqual([]);
  });

  test('a file of just 1 MiB is read', () => {
    const one = (index: number): string => vm(`vm-${index}`, `groupName: g`, `imageName: ${'x'.repeat(60)}`);
    let text = group('g');
    for (let index = 0; text.length < MAX_FILE_SIZE - 400; index += 1) text += `---\n${one(index)}`;
    text += `# ${'x'.repeat(MAX_FILE_SIZE - text.length - 2)}`;
    const { manifests, problems } = parse(text);
    expect(text).toHaveLength(MAX_FILE_SIZE);
    expect(problems).toEqual([]);
    expect(manifests.virtualMachines.length).toBeGreaterThan(4_000);
  });

  test('too many documents in all files', () => {
    const many = (count: number): string => 'a: 1\n---\n'.repeat(count);
    const { problems, isComplete } = parseManifests([
      { path: 'a.yaml', text: many(MAX_DOCUMENTS - 1) },
      { path: 'b.yaml', text: many(2) },
      { path: 'c.yaml', text: group('g') },
    ]);
    const limits = problems.filter(({ message }) => message.startsWith('more than'));
    expect(limits.map(formatProblem)).toEqual([
      'b.yaml:1:1: more than 10000 documents in all files: nothing is read from here on',
      'c.yaml:1:1: more than 10000 documents in all files: nothing is read from here on',
    ]);
    expect(isComplete).toBe(false);
  });

  const level = (write: (below: string) => string): string =>
    Array.from(
      { length: 12 },
      (_, i) => `a${i + 1}: &a${i + 1} ${write(Array(9).fill(`*a${i}`).join(', '))}\n`,
    ).join('');
  test.each([
    ['aliases of lists', `a0: &a0 [x]\n${level((below) => `[${below}]`)}`],
    ['merges of mappings', `a0: &a0 {}\n${level((below) => `{<<: [${below}]}`)}`],
  ])('YAML-2: a bomb of %s', (_, text) => {
    expect(problemsOf(text)).toEqual([
      'a.yaml:1:1: aliases expand this file to more than 1,000,000 values: write it without so many aliases',
    ]);
  });

  test('YAML-2: a text with an error for each character is read up to the hundredth', () => {
    const { problems } = parse(`${group('g')}---\n${']'.repeat(10_000)}\n---\n${group('h')}`);
    expect(problems.length).toBeLessThan(110);
    const { message, object } = problems.at(-1) as Problem;
    expect(message).toBe('more than 100 errors: nothing is read from here on');
    // It may be about any object of the file.
    expect(object).toBeUndefined();
  });

  test.each([
    ['documents that are not separated', '"\\q"\n'.repeat(1_000)],
    ['escapes', `a: "${'\\q'.repeat(1_000)}"\n`],
    ['anchors of one node', `a: ${'&a '.repeat(1_000)}1\n`],
    ['commas', `[${','.repeat(1_000)}]`],
    ['aliases without an anchor', `[${'*a,'.repeat(1_000)}]`],
    ['duplicate keys', `{${'a: 1,'.repeat(1_000)}}`],
  ])('YAML-2: of a document with a thousand errors a hundred are reported: %s', (_, text) => {
    const bad = problemsOf(text);
    expect(bad.length).toBeGreaterThanOrEqual(100);
    expect(bad.length).toBeLessThan(110);
  });

  test('YAML-2: errors beyond the hundredth of a document are not even made; the next document has its own', () => {
    const documents = composeDocuments(`a: "${'\\q'.repeat(1_000)}"\n---\nb: "\\q"\n`);
    expect([...documents].map(({ errors }) => errors.length)).toEqual([100, 1]);
  });

  test('a great many unknown fields are all reported', () => {
    const fields = Array.from({ length: 20_000 }, (_, index) => `x${index}: 1`);
    expect(problemsOf(group('g', ...fields))).toHaveLength(20_000);
  });
});

describe('what YAML can do', () => {
  test('JSON, indented by tabs', () => {
    const object = {
      apiVersion: 'vmoperator.vmware.com/v1alpha6',
      kind: 'VirtualMachineGroup',
      metadata: { name: 'g', namespace: 'n' },
      spec: { powerState: 'PoweredOn', bootOrder: [{ delay: '3x' }] },
    };
    const { problems } = parseManifests([{ path: 'a.json', text: JSON.stringify(object, null, '\t') }]);
    expect(problems.map(formatProblem)).toEqual([
      'a.json:12:14: spec.bootOrder[0].delay: invalid duration "3x": write numbers with units (h, m, s, ms, us, ns), such as "30s", "1m30s" or "1.5h"',
    ]);
  });

  test('anchors, aliases and merge keys; positions are those of the text that is at fault', () => {
    const text = group(
      'g',
      'bootOrder:',
      '- &tier',
      '  delay: &long 30s',
      '  members: [{name: a}]',
      '- <<: *tier',
      '  members: [{name: b}]',
      '- delay: *long',
      '- <<: [{powerOffDelay: 1s}, {powerOffDelay: 2s, powerOnDelay: 3s}]',
    );
    expect(problemsOf(text)).toEqual([]);
    expect(parse(text).manifests.groups[0]?.tiers).toEqual([
      { members: [{ kind: 'VirtualMachine', name: 'a' }], powerOnDelay: 0, powerOffDelay: null },
      { members: [{ kind: 'VirtualMachine', name: 'b' }], powerOnDelay: 30_000, powerOffDelay: null },
      { members: [], powerOnDelay: 30_000, powerOffDelay: null },
      { members: [], powerOnDelay: 33_000, powerOffDelay: 1_000 },
    ]);
    expect(problemsOf(text.replace('30s', 'long'))).toEqual([
      expect.stringMatching(/^a\.yaml:7:18: spec\.bootOrder\[0\]\.delay: /),
      expect.stringMatching(/^a\.yaml:7:18: spec\.bootOrder\[1\]\.delay: /),
      expect.stringMatching(/^a\.yaml:11:12: spec\.bootOrder\[2\]\.delay: /),
    ]);
  });

  test('a List, as kubectl writes it', () => {
    const item = (text: string): string => text.replace(/^/gm, '  ').replace(/^ {2}/, '- ').trimEnd();
    const text = `apiVersion: v1\nkind: List\nitems:\n${item(group('g', 'powerState: PoweredOn'))}\n${item(group('h', 'powerState: on'))}\n`;
    const { manifests } = parse(text);
    expect(manifests.groups.map(({ name }) => name)).toEqual(['g']);
    expect(problemsOf(text)).toEqual([
      'a.yaml:13:17: spec.powerState: unsupported value "on"; did you mean "PoweredOn"?',
    ]);
  });

  test('typed lists, with and without the type of each item', () => {
    const list = JSON.stringify({
      kind: 'VirtualMachineGroupList',
      apiVersion: 'vmoperator.vmware.com/v1alpha6',
      metadata: { resourceVersion: '77' },
      items: [{ metadata: { name: 'g' } }, { metadata: { name: 'h' }, spec: { powerState: 'on' } }],
    });
    const text = `apiVersion: vmoperator.vmware.com/v1alpha5\nkind: VirtualMachineList\nitems:\n- {apiVersion: vmoperator.vmware.com/v1alpha3, kind: VirtualMachine, metadata: {name: a}}\n`;
    const policies =
      'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: vmgroup.dev/v1alpha1, kind: SequencePolicyList, items: [{metadata: {name: p}}]}\n';
    const { manifests, problems, ignored } = parseManifests([
      { path: 'a.json', text: list },
      { path: 'b.yaml', text: text },
      { path: 'c.yaml', text: policies },
      { path: 'd.yaml', text: 'apiVersion: vmgroup.dev/v1alpha1\nkind: SequencePolicyList\n' },
    ]);
    expect(
      [manifests.groups, manifests.virtualMachines, manifests.policies].flat().map(({ name }) => name),
    ).toEqual(['g', 'a', 'p']);
    expect(problems.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'spec.powerState: unsupported value "on"; did you mean "PoweredOn"?',
    ]);
    expect(ignored).toEqual([]);
    expect(problemsOf('apiVersion: v1\nkind: List\nitems: {}\n')).toEqual([
      'a.yaml:3:8: items: a list of objects has a list of items',
    ]);
  });

  test('MANIFESTS-4: objects of other products are counted, also those in lists', () => {
    const text = [
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n',
      'apiVersion: example.com/v1\nkind: VirtualMachineList\nitems: [{metadata: {name: a}}, {metadata: {name: b}}]\n',
      'apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: constructor}, {apiVersion: apps/v1, kind: Deployment}]\n',
      'apiVersion: vmoperator.vmware.com/v1alpha5\nkind: VirtualMachineServiceList\nitems: []\n',
    ].join('---\n');
    expect(parse(text)).toMatchObject({
      problems: [],
      ignored: [
        { apiVersion: 'apps/v1', kind: 'Deployment', count: 2 },
        { apiVersion: 'example.com/v1', kind: 'VirtualMachine', count: 2 },
        { apiVersion: 'v1', kind: 'constructor', count: 1 },
        { apiVersion: 'vmoperator.vmware.com/v1alpha5', kind: 'VirtualMachineServiceList', count: 1 },
      ],
    });
  });

  test('a byte order mark is no part of the text', () => {
    const text = group('g', 'powerState: on');
    expect(problemsOf(`\ufeff${text}`)).toEqual(problemsOf(text));
    const json =
      '{"apiVersion":"vmoperator.vmware.com/v1alpha5","kind":"VirtualMachine","metadata":{"name":"a"}}';
    expect(parse(`\ufeff${json}`).manifests.virtualMachines).toHaveLength(1);
  });

  test('problems come in the order of files and lines', () => {
    const { problems } = parseManifests([
      { path: 'z.yaml', text: documents(group('a', 'x: 1'), group('b', 'groupName: c')) },
      { path: 'a.yaml', text: group('c', 'groupName: b') },
    ]);
    expect(problems.map(({ file, line }) => `${file}:${line}`)).toEqual([
      'z.yaml:5',
      'z.yaml:11',
      'a.yaml:5',
    ]);
  });
});
