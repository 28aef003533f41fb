/** EDIT-1, EDIT-2: the power state is set, and every other byte stays. */
import fc from 'fast-check';
import { editPowerState, parseManifests, type PowerState } from '../../api';
import { documents, group, vm } from './support';

const g = { namespace: 'default', name: 'g' };
const head = 'apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachineGroup\nmetadata: {name: g}\n';

describe('editPowerState', () => {
  test.each<[title: string, before: string, after: string]>([
    [
      'a value, with the comment behind it',
      `# mine\n${head}spec:\n  powerState:   PoweredOff   # standby\n\n  bootOrder: []   # none\n`,
      `# mine\n${head}spec:\n  powerState:   PoweredOn   # standby\n\n  bootOrder: []   # none\n`,
    ],
    [
      'a double-quoted value',
      `${head}spec: {powerState: "PoweredOff"}\n`,
      `${head}spec: {powerState: "PoweredOn"}\n`,
    ],
    [
      'a single-quoted value',
      `${head}spec:\n  powerState: 'PoweredOff'\n`,
      `${head}spec:\n  powerState: 'PoweredOn'\n`,
    ],
    [
      'the value that is there',
      `${head}spec:\n  powerState: PoweredOn\n`,
      `${head}spec:\n  powerState: PoweredOn\n`,
    ],
    [
      'no value',
      `${head}spec:\n  powerState: # unset\n  bootOrder: []\n`,
      `${head}spec:\n  powerState: PoweredOn # unset\n  bootOrder: []\n`,
    ],
    [
      'no key: below spec, above the first comment',
      `${head}spec: # desired\n    # the order\n    bootOrder:\n    - delay: 1s\n`,
      `${head}spec: # desired\n    powerState: PoweredOn\n    # the order\n    bootOrder:\n    - delay: 1s\n`,
    ],
    [
      'no key in a flow mapping',
      `${head}spec: {bootOrder: []}\n`,
      `${head}spec: {powerState: PoweredOn, bootOrder: []}\n`,
    ],
    ['an empty flow mapping', `${head}spec: {}\n`, `${head}spec: {powerState: PoweredOn}\n`],
    [
      'an empty spec',
      `${head}spec: # nothing yet\n`,
      `${head}spec: # nothing yet\n  powerState: PoweredOn\n`,
    ],
    ['an empty spec before other keys', `spec:\n${head}`, `spec:\n  powerState: PoweredOn\n${head}`],
    ['no spec', `${head}# the end\n`, `${head.trimEnd()}\nspec:\n  powerState: PoweredOn\n# the end\n`],
    ['no spec, and no newline', head.trimEnd(), `${head}spec:\n  powerState: PoweredOn`],
    [
      'Windows line ends',
      `${head}spec:\n  bootOrder: []\n`.replace(/\n/g, '\r\n'),
      `${head}spec:\n  powerState: PoweredOn\n  bootOrder: []\n`.replace(/\n/g, '\r\n'),
    ],
    [
      'one document of several, and not its neighbours of the same name',
      documents(
        vm('g', 'powerState: PoweredOff'),
        group('h', 'powerState: PoweredOff'),
        group('g', 'powerState: PoweredOff'),
        'broken: [',
      ),
      documents(
        vm('g', 'powerState: PoweredOff'),
        group('h', 'powerState: PoweredOff'),
        group('g', 'powerState: PoweredOn'),
        'broken: [',
      ),
    ],
    [
      'an item of a List',
      `apiVersion: v1\nkind: List\nitems:\n- kind: VirtualMachine\n  metadata: {name: g}\n- kind: VirtualMachineGroup\n  metadata: {name: g}\n  spec:\n    bootOrder: []\n`,
      `apiVersion: v1\nkind: List\nitems:\n- kind: VirtualMachine\n  metadata: {name: g}\n- kind: VirtualMachineGroup\n  metadata: {name: g}\n  spec:\n    powerState: PoweredOn\n    bootOrder: []\n`,
    ],
    [
      'JSON in one line',
      '{"kind": "VirtualMachineGroup", "metadata": {"name": "g"}, "spec": {"bootOrder": []}}',
      '{"kind": "VirtualMachineGroup", "metadata": {"name": "g"}, "spec": {"powerState": "PoweredOn", "bootOrder": []}}',
    ],
    [
      'JSON in many lines',
      '{\n  "kind": "VirtualMachineGroup",\n  "metadata": {\n    "name": "g"\n  },\n  "spec": {\n    "bootOrder": []\n  }\n}\n',
      '{\n  "kind": "VirtualMachineGroup",\n  "metadata": {\n    "name": "g"\n  },\n  "spec": {\n    "powerState": "PoweredOn",\n    "bootOrder": []\n  }\n}\n',
    ],
    [
      'JSON without spec',
      '{\n  "kind": "VirtualMachineGroup",\n  "metadata": {"name": "g"}\n}\n',
      '{\n  "kind": "VirtualMachineGroup",\n  "metadata": {"name": "g"}, "spec": {"powerState": "PoweredOn"}\n}\n',
    ],
    [
      'a value that is merged in',
      `${head}spec:\n  <<: {powerState: PoweredOff}\n`,
      `${head}spec:\n  powerState: PoweredOn\n  <<: {powerState: PoweredOff}\n`,
    ],
    [
      'a value that is an alias',
      `off: &off PoweredOff\n${head}spec:\n  powerState: *off\n`,
      `off: &off PoweredOff\n${head}spec:\n  powerState: PoweredOn\n`,
    ],
  ])('%s', (_, before, after) => {
    expect(editPowerState(before, g, 'PoweredOn')).toBe(after);
  });

  test('a namespace that is named', () => {
    const text = group('g', 'powerState: PoweredOff').replace('{name: g}', '{name: g, namespace: n}');
    expect(editPowerState(text, { namespace: 'n', name: 'g' }, 'Suspended')).toBe(
      text.replace('PoweredOff', 'Suspended'),
    );
    expect(() => editPowerState(text, g, 'Suspended')).toThrow(
      new Error('there is no VirtualMachineGroup default/g in this text'),
    );
  });

  test.each<[title: string, text: string, message: string]>([
    ['no group', vm('g'), 'there is no VirtualMachineGroup default/g in this text'],
    [
      'a group whose document is broken',
      group('g', 'bootOrder: [}'),
      'there is no VirtualMachineGroup default/g in this text',
    ],
    [
      'a group that is there twice',
      documents(group('g'), group('g')),
      'VirtualMachineGroup default/g is in this text 2 times: take one of them out first',
    ],
    ...[
      ['a spec that is an alias', `base: &base {powerState: PoweredOff}\n${head}spec: *base\n`],
      ['a value that others share', `${head}spec:\n  powerState: &state PoweredOff\nother: *state\n`],
      ['a value that is a list', `${head}spec:\n  powerState: [PoweredOff]\n`],
    ].map(([title = '', text = '']): [string, string, string] => [
      title,
      text,
      'spec.powerState of VirtualMachineGroup default/g cannot be set without touching the rest of its manifest: set it by hand',
    ]),
  ])('refuses %s', (_, text, message) => {
    expect(() => editPowerState(text, g, 'PoweredOn')).toThrow(new Error(message));
  });

  test('it is set in any group, and setting it again changes nothing', () => {
    const line = fc.constantFrom(
      'powerOffMode: Hard',
      'groupName: p',
      '# a comment',
      '',
      'powerState: Suspended # now',
      'powerState:',
      'bootOrder: [{delay: 1s}]',
    );
    const states = fc.constantFrom<PowerState>('PoweredOn', 'PoweredOff', 'Suspended');
    fc.assert(
      fc.property(fc.uniqueArray(line, { selector: (text) => text.slice(0, 11) }), states, (lines, state) => {
        const edited = editPowerState(group('g', ...lines), g, state);
        expect(parseManifests([{ path: 'a', text: edited }]).manifests.groups[0]?.powerState).toBe(state);
        expect(editPowerState(edited, g, state)).toBe(edited);
      }),
    );
  });
});
