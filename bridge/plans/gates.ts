/**
 * The gate of each tier and each VM, from the policy of the group and the readiness probes of its VMs. Pure.
 *
 * GATES-1: a gate that the policy names counts, the nearest one. `Ready` means what the VM's readiness probe says, if it has one.
 * GATES-2: a VM with a readiness probe for which the policy names no gate waits for that probe.
 * GATES-3: nothing is probed twice: where the platform itself asks readiness probes, `Ready` is what the VM waits for.
 */
import {
  DEFAULT_GATE,
  type Gate,
  type GatePolicy,
  type MemberPolicy,
  type Probe,
  type SequencePolicySpec,
  type TierPolicy,
  type VirtualMachine,
} from '../../api';

/** What the policy says of the gate of a tier. */
export interface TierGate {
  /** Absent: nothing. */
  gate?: Gate;
  gateTimeout: number;
  probe?: Probe;
}

/** What a policy says of a tier, given what it says of that tier in particular. */
export function tierGate(policy: SequencePolicySpec, own: Partial<TierPolicy>): TierGate {
  const gate = own.gate ?? policy.gate;
  const probe = own.probe ?? policy.probe;
  return {
    ...(gate && { gate }),
    gateTimeout: own.gateTimeout ?? policy.gateTimeout,
    ...(probe && { probe }),
  };
}

/** The fields of a planned tier. */
export function plannedTierGate({
  gate = DEFAULT_GATE,
  gateTimeout,
  probe,
}: TierGate): TierGate & { gate: Gate } {
  return { gate, gateTimeout, ...(gate === 'Probe' && probe && { probe }) };
}

/**
 * The gate of one VM, where it differs from that of its tier.
 *
 * @param own What the policy says of the VM in particular.
 * @param probesItself Whether the platform of the VM asks its readiness probe.
 */
export function memberGate(
  tier: TierGate,
  own: MemberPolicy | undefined,
  { readinessProbe }: VirtualMachine,
  probesItself: boolean,
): GatePolicy {
  const { name: _name, ...said } = own ?? { name: '' };
  const gate = said.gate ?? tier.gate;
  if (readinessProbe && (gate === undefined || gate === 'Ready')) {
    const { probe: _probe, ...rest } = said;
    if (!probesItself) return { ...rest, gate: 'Probe', probe: readinessProbe };
    return tier.gate === 'Ready' ? rest : { ...rest, gate: 'Ready' };
  }
  return said.gate === 'Probe' && !said.probe && tier.probe ? { ...said, probe: tier.probe } : said;
}
