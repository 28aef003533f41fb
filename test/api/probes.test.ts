import { parse, policy, problemsOf } from './support';

const POLICY = (...lines: string[]): string => policy('default', ...lines);

/** The internal form of the policy in these lines. */
function specOf(...lines: string[]) {
  const { problems, manifests } = parse(POLICY(...lines));
  expect(problems).toEqual([]);
  return manifests.policies[0]?.spec;
}

const DEFAULTS = { period: 500, timeout: 1_000, successThreshold: 1 };

describe('probes', () => {
  test('what is left out has its built-in value, and a probe alone means gate Probe', () => {
    expect(specOf('probe: {tcpSocket: {port: 5432}}')).toMatchObject({
      gate: 'Probe',
      probe: { tcpSocket: { port: 5432 }, ...DEFAULTS },
    });
    expect(specOf('gate: Ready', 'probe: {httpGet: {port: 80}}')).toMatchObject({
      gate: 'Ready',
      probe: { httpGet: { port: 80, scheme: 'HTTP', path: '/' }, ...DEFAULTS },
    });
  });

  test('everything, for the policy, a tier and a member', () => {
    const spec = specOf(
      'gate: Probe',
      'probe:',
      '  httpGet:',
      '    port: 8443',
      '    host: shop.example',
      '    scheme: HTTPS',
      '    path: /health?full=1',
      '    expectedStatus: 204',
      '    headers: [{name: Host, value: shop}]',
      '    tls: {caFile: /etc/ca.pem, serverName: shop.internal}',
      '  period: 2s',
      '  timeout: 500ms',
      '  successThreshold: 2',
      '  failureThreshold: 30',
      'tiers: [{tier: 1, probe: {tcpSocket: {port: 22, host: "2001:db8::1"}}}]',
      'members:',
      '  - {name: db, gateTimeout: 1h, probe: {tcpSocket: {port: 1}}}',
      '  - {name: web, gate: PoweredOn}',
    );
    expect(spec?.probe).toEqual({
      httpGet: {
        port: 8443,
        host: 'shop.example',
        scheme: 'HTTPS',
        path: '/health?full=1',
        expectedStatus: 204,
        headers: [{ name: 'Host', value: 'shop' }],
        tls: { caFile: '/etc/ca.pem', serverName: 'shop.internal' },
      },
      period: 2_000,
      timeout: 500,
      successThreshold: 2,
      failureThreshold: 30,
    });
    expect(spec?.tiers).toEqual([
      { tier: 1, gate: 'Probe', probe: { tcpSocket: { port: 22, host: '2001:db8::1' }, ...DEFAULTS } },
    ]);
    expect(spec?.members).toEqual([
      { name: 'db', gate: 'Probe', gateTimeout: 3_600_000, probe: { tcpSocket: { port: 1 }, ...DEFAULTS } },
      { name: 'web', gate: 'PoweredOn' },
    ]);
  });

  test.each([
    [
      'gate: Probe',
      'spec.gate: Probe needs a probe: write probe next to it, or spec.probe for the whole policy',
    ],
    [
      'tiers: [{tier: 0, gate: Probe}]',
      'spec.tiers[0].gate: Probe needs a probe: write probe next to it, or spec.probe for the whole policy',
    ],
    ['probe: {}', 'spec.probe: write exactly one of tcpSocket and httpGet'],
    [
      'probe: {tcpSocket: {port: 1}, httpGet: {port: 1}}',
      'spec.probe: write exactly one of tcpSocket and httpGet',
    ],
    ['probe: {tcpSocket: {port: 0}}', 'spec.probe.tcpSocket.port: '],
    ['probe: {tcpSocket: {port: 65536}}', 'spec.probe.tcpSocket.port: '],
    [
      'probe: {tcpSocket: {port: 80, host: "http://db"}}',
      'spec.probe.tcpSocket.host: invalid value "http://db"',
    ],
    ['probe: {tcpSocket: {port: 80}, period: 50ms}', 'spec.probe.period: must not be shorter than 100ms'],
    ['probe: {tcpSocket: {port: 80}, timeout: 2m}', 'spec.probe.timeout: must not be longer than 1m'],
    ['probe: {httpGet: {port: 80, path: health}}', 'spec.probe.httpGet.path: invalid value "health"'],
    ['probe: {httpGet: {port: 80, path: "/a b"}}', 'spec.probe.httpGet.path: invalid value "/a b"'],
    ['probe: {httpGet: {port: 80, tls: {}}}', 'spec.probe.httpGet.tls: needs scheme: HTTPS'],
    [
      'probe: {httpGet: {port: 80, scheme: HTTPS, tls: {insecureSkipVerify: true, caFile: /ca}}}',
      'spec.probe.httpGet.tls.caFile: has no effect with insecureSkipVerify: leave one out',
    ],
    [
      'probe: {httpGet: {port: 80, headers: [{name: authorization, value: Bearer x}]}}',
      'spec.probe.httpGet.headers[0].name: authorization would be stored in the history of each run: probe a path that needs no credentials',
    ],
    [
      'probe: {httpGet: {port: 80, headers: [{name: Transfer-Encoding, value: chunked}]}}',
      'spec.probe.httpGet.headers[0].name: Transfer-Encoding is set by the worker: leave it out',
    ],
    [
      'probe: {httpGet: {port: 80, headers: [{name: X, value: "a\\r\\nb"}]}}',
      'spec.probe.httpGet.headers[0].value: invalid value',
    ],
    ['members: [{name: a, probe: {httpGet: {port: 99999}}}]', 'spec.members[0].probe.httpGet.port: '],
    [
      'members: [{name: a}, {name: a}]',
      'spec.members[1].name: duplicate value: VM a is set by spec.members[0] already',
    ],
  ])('%s is refused with its path', (line, message) => {
    const problems = problemsOf(POLICY(line));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`: ${message}`);
  });

  test('one probe has a budget of bytes', () => {
    const header = (index: number): string => `{name: x-${index}, value: ${'v'.repeat(200)}}`;
    const headers = Array.from({ length: 8 }, (_, index) => header(index)).join(', ');
    expect(problemsOf(POLICY(`probe: {httpGet: {port: 80, headers: [${headers}]}}`))[0]).toMatch(
      /spec\.probe: takes \d+ bytes, at most 1000 are allowed/,
    );
  });
});

describe('answers to questions', () => {
  test('by kind, in order', () => {
    const questions = [
      { kind: 'msg.uuid.altered', answer: '1' },
      { kind: 'msg.cdrom', answer: 'yes' },
    ];
    expect(specOf(`questions: ${JSON.stringify(questions)}`)?.questions).toEqual(questions);
  });

  test.each([
    [
      'questions: [{kind: a, answer: "1"}, {kind: a, answer: "2"}]',
      'spec.questions[1].kind: duplicate value: a is answered by spec.questions[0] already',
    ],
    ['questions: [{kind: a}]', 'spec.questions[0].answer: '],
    [
      `questions: [${Array.from({ length: 16 }, (_, index) => `{kind: k${index}, answer: ${'a'.repeat(60)}}`).join(', ')}]`,
      'spec.questions: takes ',
    ],
  ])('%s is refused with its path', (line, message) => {
    const problems = problemsOf(POLICY(line));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`: ${message}`);
  });
});

describe('readinessProbe of a VM', () => {
  const vm = (probe: string): ReturnType<typeof parse> =>
    parse(
      'apiVersion: vmoperator.vmware.com/v1alpha5\nkind: VirtualMachine\n' +
        `metadata: {name: db}\nspec: {readinessProbe: ${probe}}\n`,
    );
  const READ = { period: 10_000, timeout: 10_000, successThreshold: 1 };

  test.each([
    ['{tcpSocket: {port: 5432}}', { tcpSocket: { port: 5432 }, ...READ }],
    [
      "{tcpSocket: {port: 22, host: ''}, timeoutSeconds: 3, periodSeconds: 1}",
      { tcpSocket: { port: 22 }, period: 1_000, timeout: 3_000, successThreshold: 1 },
    ],
    ['{guestHeartbeat: {}}', { guestHeartbeat: { thresholdStatus: 'green' }, ...READ }],
    [
      '{guestHeartbeat: {thresholdStatus: yellow}}',
      { guestHeartbeat: { thresholdStatus: 'yellow' }, ...READ },
    ],
    [
      "{guestInfo: [{key: ready, value: '^true$'}, {key: role, value: ''}]}",
      { guestInfo: [{ key: 'ready', value: '^true$' }, { key: 'role' }], ...READ },
    ],
    ['{guestInfo: [], timeoutSeconds: 5}', undefined],
    ['{laterAction: {}}', undefined],
  ])('%s', (text, expected) => {
    const { manifests, problems } = vm(text);
    expect(problems).toEqual([]);
    expect(manifests.virtualMachines[0]?.readinessProbe).toEqual(expected);
  });

  test('an expression that is none is a warning: any value matches, as on VM Operator', () => {
    const { manifests, problems } = vm("{guestInfo: [{key: up, value: '(?=x)'}]}");
    expect(problems.map(({ severity, path }) => `${severity} ${path}`)).toEqual([
      'Warning spec.readinessProbe.guestInfo[0].value',
    ]);
    expect(manifests.virtualMachines[0]?.readinessProbe?.guestInfo).toEqual([{ key: 'up', value: '(?=x)' }]);
  });

  test.each([
    ['{tcpSocket: {port: ssh}}', 'spec.readinessProbe.tcpSocket.port: write a number'],
    ['{tcpSocket: {port: 0}}', 'spec.readinessProbe.tcpSocket.port'],
    ["{tcpSocket: {port: 1, host: 'http://a'}}", 'spec.readinessProbe.tcpSocket.host: write a host name'],
    ['{tcpSocket: {port: 1}, guestHeartbeat: {}}', 'spec.readinessProbe: only one action can be specified'],
    ['{guestHeartbeat: {thresholdStatus: red}}', 'spec.readinessProbe.guestHeartbeat.thresholdStatus'],
    [`{guestInfo: [{key: ${'k'.repeat(2_000)}}]}`, 'spec.readinessProbe: takes 2'],
    // What takes too many bytes is not compiled, which would take a hundred seconds here.
    [
      `{guestInfo: [${Array.from({ length: 32 }, (_, n) => `{key: k${n}, value: '${'a{1000}'.repeat(1_300)}'}`).join()}]}`,
      'spec.readinessProbe: takes',
    ],
    // To match this one takes minutes.
    [
      `{guestInfo: [{key: k, value: '${'(?:a[ab]{900}c|b[ab]{900}d)|'.repeat(20)}e'}]}`,
      'spec.readinessProbe.guestInfo[0].value: is too large an expression',
    ],
    ['{guestHeartbeat: {}, timeoutSeconds: 61}', 'spec.readinessProbe.timeoutSeconds'],
  ])('%s is refused', (text, message) => {
    const { manifests, problems } = vm(text);
    expect(problems.map(({ path, message: said }) => `${path}: ${said}`).join('\n')).toContain(message);
    expect(manifests.virtualMachines).toEqual([]);
  });
});
