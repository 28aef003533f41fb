/** The gates of a SequencePolicy: for the whole policy, for single tiers, for single VMs. */
import { z } from 'zod';
import { optionalDuration, present, type Report } from './convert';
import { positiveDuration } from './fields';
import type { Gate, GatePolicy } from '../model';
import { probeProblems, probeSchema, toProbe } from './probe';
import { serverRules } from './server-checks';
import { didYouMean } from './suggest';

/** VMs that a policy may set gates for. */
export const MAX_MEMBERS = 2_000;

/** `Condition/` and a condition type, as Kubernetes spells them. */
const GATE = /^(None|PoweredOn|Ready|Probe|Condition\/[A-Za-z]([A-Za-z0-9._/-]*[A-Za-z0-9])?)$/;
const NAMED = ['None', 'PoweredOn', 'Ready', 'Probe'];
const GATES =
  'write None, PoweredOn, Ready, or Condition/ and the type of a condition, or Probe with a probe next to it';

function gate() {
  return z
    .string({ error: gateError })
    .refine((text) => GATE.test(text), { error: gateError })
    .meta({
      maxLength: 100,
      ...serverRules({
        rule: `self.matches('${GATE.source.replaceAll('\\/', '/')}')`,
        messageExpression: `'unsupported value "' + self + '": ${GATES}'`,
      }),
    })
    .describe(
      'What a member must have reached for its tier to count as done: `None`, `PoweredOn`, `Ready`, `Probe`, or `Condition/` and the type of a condition of the VM. Left out next to a probe: `Probe`.',
    );
}

function gateError({ input }: { input?: unknown }): string {
  const text = typeof input === 'string' ? input : '';
  return `unsupported value ${JSON.stringify(input)}${didYouMean(text, NAMED) || `: ${GATES}`}`;
}

/** The fields that a policy, each of its tiers and each of its members have. */
export const gateFields = {
  gate: gate().optional(),
  gateTimeout: positiveDuration
    .optional()
    .describe('Longest wait for the gate after the power state was reached.'),
  probe: probeSchema
    .optional()
    .describe(
      'What a worker asks of the guest where the gate is `Probe`: exactly one of tcpSocket and httpGet.',
    ),
};

type GateFields = { [K in keyof typeof gateFields]?: z.infer<(typeof gateFields)[K]> };

/** The internal form of the gate of a policy, a tier or a member. */
export function toGatePolicy({ gate, gateTimeout, probe }: GateFields): GatePolicy {
  return present({
    gate: toGate(gate) ?? (probe ? ('Probe' as const) : undefined),
    gateTimeout: optionalDuration(gateTimeout),
    probe: probe && toProbe(probe),
  });
}

/** `Ready` has a name of its own. */
function toGate(written: string | undefined): Gate | undefined {
  return written === 'Condition/Ready' ? 'Ready' : (written as Gate | undefined);
}

/** Reports what is wrong with probes, and gates `Probe` without one. */
export function checkProbes(
  spec: GateFields & { tiers?: GateFields[] | undefined; members?: GateFields[] | undefined },
  report: Report,
): void {
  const check = (given: GateFields, at: (string | number)[]): void => {
    if (given.probe)
      for (const { path, message } of probeProblems(given.probe)) report([...at, 'probe', ...path], message);
    if (given.gate === 'Probe' && !given.probe && !spec.probe)
      report(
        [...at, 'gate'],
        'Probe needs a probe: write probe next to it, or spec.probe for the whole policy',
      );
  };
  check(spec, ['spec']);
  spec.tiers?.forEach((tier, index) => check(tier, ['spec', 'tiers', index]));
  spec.members?.forEach((member, index) => check(member, ['spec', 'members', index]));
}
