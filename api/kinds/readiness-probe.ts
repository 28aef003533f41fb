/** `spec.readinessProbe` of a VM, as VM Operator has it. */
import { z } from 'zod';
import { compileExpression } from '../expression';
import type { Probe } from '../model';
import { jsonLength } from '../text';
import { nonEmpty, present, type Report } from './convert';
import { HOST, LONGEST_HOST, MOST_PROBE_BYTES } from './probe';

/** What VM Operator takes where a probe leaves a field out, milliseconds. */
const DEFAULTS = { period: 10_000, timeout: 10_000 };

const MOST_PAIRS = 32;

/** The schema. VM Operator's own definition is stricter, and other versions of it may have other fields. */
export const readinessProbeSchema = z.looseObject({
  tcpSocket: z
    .looseObject({
      port: z.union([z.int().min(1).max(65_535), z.string()]).describe('Port, 1 to 65535.'),
      host: z.string().optional().describe("Host name or IP address. Left out: the guest's own address."),
    })
    .optional()
    .describe('Ready once a connection is accepted.'),
  guestHeartbeat: z
    .looseObject({
      thresholdStatus: z
        .enum(['yellow', 'green'])
        .optional()
        .describe('The least heartbeat of a VM that is ready. Left out: `green`.'),
    })
    .optional()
    .describe("Ready while the heartbeat of the guest's tools arrives."),
  guestInfo: z
    .array(
      z.looseObject({
        key: z.string().min(1).describe('Key, without the prefix `guestinfo.`.'),
        value: z
          .string()
          .optional()
          .describe('RE2 regular expression that the value has to match. Left out: any value.'),
      }),
    )
    .max(MOST_PAIRS)
    .optional()
    .describe('Ready once the guest has set all of these.'),
  timeoutSeconds: z.int().max(60).optional().describe('Longest time of one try. Left out: 10.'),
  periodSeconds: z.int().optional().describe('Time between two tries. Left out: 10.'),
});

type Written = z.infer<typeof readinessProbeSchema>;

const AT = ['spec', 'readinessProbe'];

/** The internal form; undefined: it asks nothing, as VM Operator has it. */
export function toReadinessProbe(written: Written, report: Report): Probe | undefined {
  const { tcpSocket, guestHeartbeat, timeoutSeconds = 0, periodSeconds = 0 } = written;
  const guestInfo = nonEmptyList(written.guestInfo);
  const actions = [tcpSocket, guestHeartbeat, guestInfo].filter((action) => action !== undefined);
  if (actions.length === 0) return undefined;
  if (actions.length > 1)
    report(AT, 'only one action can be specified: tcpSocket, guestHeartbeat or guestInfo');
  const probe: Probe = present({
    tcpSocket: tcpSocket && toTcpSocket(tcpSocket, report),
    guestHeartbeat: guestHeartbeat && { thresholdStatus: guestHeartbeat.thresholdStatus ?? 'green' },
    guestInfo: guestInfo?.map(({ key, value }) => present({ key, value: nonEmpty(value) })),
    period: periodSeconds > 0 ? periodSeconds * 1_000 : DEFAULTS.period,
    timeout: timeoutSeconds > 0 ? timeoutSeconds * 1_000 : DEFAULTS.timeout,
    successThreshold: 1,
  });
  const bytes = jsonLength(probe);
  if (bytes > MOST_PROBE_BYTES) report(AT, `takes ${bytes} bytes, at most ${MOST_PROBE_BYTES} are allowed`);
  else guestInfo?.forEach(({ value = '' }, index) => checkExpression(value, index, report));
  return probe;
}

function checkExpression(text: string, index: number, report: Report): void {
  const at = [...AT, 'guestInfo', index, 'value'];
  const expression = compileExpression(text);
  if (expression === 'TooLarge')
    report(at, 'is too large an expression: to match it would occupy a worker; repeat less in it');
  else if (!expression)
    report(at, 'is no RE2 regular expression, so any value matches, as on VM Operator', {
      severity: 'Warning',
    });
}

function toTcpSocket(
  { port, host }: NonNullable<Written['tcpSocket']>,
  report: Report,
): NonNullable<Probe['tcpSocket']> {
  const at = [...AT, 'tcpSocket'];
  if (typeof port === 'string')
    report([...at, 'port'], 'write a number: VM Operator has no named ports, and the VM is never ready');
  if (host && (host.length > LONGEST_HOST || !HOST.test(host)))
    report([...at, 'host'], 'write a host name or an IP address, without scheme, port and brackets');
  return present({ port: Number(port), host: nonEmpty(host) });
}

function nonEmptyList<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list && list.length > 0 ? list : undefined;
}
