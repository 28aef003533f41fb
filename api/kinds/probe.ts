/** The probe of a gate: what a worker asks of a guest. Named as Kubernetes names the probes of containers. */
import { z } from 'zod';
import { parseDuration } from '../duration';
import type { HttpGetProbe, Probe } from '../model';
import type { Path } from '../problem';
import { jsonLength } from '../text';
import { present } from './convert';
import { fields, positiveDuration } from './fields';

/** What holds where a probe leaves a field out. Durations in milliseconds. */
const DEFAULTS = { period: 500, timeout: 1_000, successThreshold: 1 };

/** Shortest period and longest time of one try, milliseconds. */
const SHORTEST_PERIOD = 100;
const LONGEST_TRY = 60_000;
/** Bytes that one probe may take as JSON: a thousand operations are scheduled in one message of 4 MB. */
export const MOST_PROBE_BYTES = 1_000;
const MOST_HEADERS = 8;
const MOST_IN_A_ROW = 10_000;

/** A host name or an IP address, of at most {@link LONGEST_HOST} characters. */
export const HOST = /^[A-Za-z0-9:]([A-Za-z0-9._:-]*[A-Za-z0-9:])?$/;
/** Longest name of a host, in characters. */
export const LONGEST_HOST = 253;

/** Headers that would put a secret into the history of each run. */
const SECRET = ['authorization', 'cookie', 'proxy-authorization'];
/** Headers that say how a request ends. */
const FRAMING = [
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

function text(pattern: RegExp, maxLength: number, rule: string) {
  return z
    .string()
    .refine((value) => value.length <= maxLength && pattern.test(value), {
      error: ({ input }) => `invalid value ${JSON.stringify(input).slice(0, 100)}: ${rule}`,
    })
    .meta({ maxLength, pattern: pattern.source });
}

function port() {
  return z.int().min(1).max(65_535).describe('Port, 1 to 65535.');
}

function host() {
  return text(HOST, LONGEST_HOST, 'write a host name or an IP address, without scheme, port and brackets')
    .optional()
    .describe("Host name or IP address. Left out: the guest's own address.");
}

function count() {
  return z.int().min(1).max(MOST_IN_A_ROW);
}

const header = fields({
  name: text(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 64, 'write the name of an HTTP header').describe('Name.'),
  value: text(/^[ -~]*$/, 256, 'write at most 256 printable ASCII characters').describe(
    'Value. It is stored in the history of each run: write no secrets.',
  ),
});

const tls = fields({
  caFile: text(/^\/[!-~]+$/, 256, 'write the absolute path of a PEM file on the workers')
    .optional()
    .describe(
      'PEM file on the workers with the certificates to trust. Left out: those that the system trusts.',
    ),
  serverName: text(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/, 253, 'write a host name')
    .optional()
    .describe('Name that the certificate must have. Left out: the host.'),
  insecureSkipVerify: z.boolean().optional().describe('Take any certificate.'),
});

const httpGet = fields({
  port: port(),
  host: host(),
  scheme: z.enum(['HTTP', 'HTTPS']).optional().describe('HTTP (also where it is left out) or HTTPS.'),
  path: text(/^\/[!-~]*$/, 512, 'write a path that begins with "/", percent-encoded')
    .optional()
    .describe('Path with query. Left out: `/`.'),
  expectedStatus: z
    .int()
    .min(100)
    .max(599)
    .optional()
    .describe('Status of the answer. Left out: any from 200 to 399. Redirects are not followed.'),
  headers: z.array(header).max(MOST_HEADERS).optional().describe('Headers of the request; at most 8.'),
  tls: tls.optional().describe('How the certificate is verified; with HTTPS only.'),
});

/** `probe` of a policy, a tier or a member. */
export const probeSchema = fields({
  tcpSocket: fields({ port: port(), host: host() })
    .optional()
    .describe('Succeeds once a connection is accepted.'),
  httpGet: httpGet.optional().describe('Succeeds once a request is answered with the expected status.'),
  period: positiveDuration
    .optional()
    .describe('From the start of one try to that of the next, at least `100ms`. Left out: `500ms`.'),
  timeout: positiveDuration.optional().describe('Longest time of one try, at most `1m`. Left out: `1s`.'),
  successThreshold: count().optional().describe('Successes in a row that meet the gate. Left out: 1.'),
  failureThreshold: count()
    .optional()
    .describe('Failures in a row after which the member is parked. Left out: only gateTimeout counts.'),
});

type WrittenProbe = z.infer<typeof probeSchema>;
type WrittenHttpGet = z.infer<typeof httpGet>;

/** The internal form of a probe. */
export function toProbe(written: WrittenProbe): Probe {
  const { tcpSocket, httpGet: http, period, timeout, successThreshold, failureThreshold } = written;
  return present({
    tcpSocket: tcpSocket && present(tcpSocket),
    httpGet: http && toHttpGet(http),
    period: period === undefined ? DEFAULTS.period : parseDuration(period),
    timeout: timeout === undefined ? DEFAULTS.timeout : parseDuration(timeout),
    successThreshold: successThreshold ?? DEFAULTS.successThreshold,
    failureThreshold,
  });
}

function toHttpGet({ scheme = 'HTTP', path = '/', tls: written, ...rest }: WrittenHttpGet): HttpGetProbe {
  return {
    ...present(rest),
    scheme,
    path,
    ...(written && {
      tls: present({
        ...written,
        insecureSkipVerify: written.insecureSkipVerify === true ? true : undefined,
      }),
    }),
  } as HttpGetProbe;
}

/** What is wrong with a probe that its schema cannot say, with the path below it. */
export function probeProblems(written: WrittenProbe): { path: Path; message: string }[] {
  const { tcpSocket, httpGet: http, period, timeout } = written;
  const problems: { path: Path; message: string }[] = [];
  const add = (path: Path, message: string): void => void problems.push({ path, message });
  if (!tcpSocket === !http) add([], 'write exactly one of tcpSocket and httpGet');
  if (period !== undefined && parseDuration(period) < SHORTEST_PERIOD)
    add(['period'], `must not be shorter than ${SHORTEST_PERIOD}ms`);
  if (timeout !== undefined && parseDuration(timeout) > LONGEST_TRY)
    add(['timeout'], 'must not be longer than 1m');
  if (http) httpProblems(http).forEach(({ path, message }) => add(['httpGet', ...path], message));
  const bytes = jsonLength(toProbe(written));
  if (bytes > MOST_PROBE_BYTES)
    add([], `takes ${bytes} bytes, at most ${MOST_PROBE_BYTES} are allowed: shorten its path or its headers`);
  return problems;
}

function httpProblems({
  scheme,
  tls: written,
  headers = [],
}: WrittenHttpGet): { path: Path; message: string }[] {
  const problems: { path: Path; message: string }[] = [];
  if (written && scheme !== 'HTTPS') problems.push({ path: ['tls'], message: 'needs scheme: HTTPS' });
  if (written?.insecureSkipVerify && written.caFile !== undefined)
    problems.push({
      path: ['tls', 'caFile'],
      message: 'has no effect with insecureSkipVerify: leave one out',
    });
  headers.forEach(({ name }, index) => {
    const path = ['headers', index, 'name'];
    const lower = name.toLowerCase();
    if (SECRET.includes(lower))
      problems.push({
        path,
        message: `${name} would be stored in the history of each run: probe a path that needs no credentials`,
      });
    if (FRAMING.includes(lower))
      problems.push({ path, message: `${name} is set by the worker: leave it out` });
  });
  return problems;
}
