/**
 * `spec.affinity` of a VM in both spellings: the documented one (one object for each rule, with a list of selectors; `zoneAffinity` and
 * `zoneAntiAffinity`) and the shipped one (a list of terms with one selector each). Each name accepts both shapes.
 */
import { z } from 'zod';
import type { Report } from './convert';
import { expected, fields } from './fields';
import type { AffinityTerm, LabelSelector } from '../model';
import { formatPath, type Path } from '../problem';
import { keepUnknown } from './server-checks';

const HOSTNAME = 'kubernetes.io/hostname';
/** Label that pins a VM to a zone; also the topology key of zones. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';

const oneOrMore = {
  error: ({ input }: { input?: unknown }) => expected('a mapping or a list of mappings', input),
};

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

const selector = fields({
  matchLabels: z
    .record(z.string(), z.string())
    .optional()
    .describe('Labels that a VM must have, all of them.'),
  matchExpressions: z
    .array(
      fields({
        key: z.string().describe('Key of the label.'),
        operator: z.enum(operators).describe('How the label relates to the values.'),
        values: z.array(z.string()).optional().describe('For In and NotIn: one or more. Otherwise none.'),
      }),
    )
    .optional()
    .describe('Further conditions on labels, all of them.'),
});

const term = fields({
  labelSelector: z
    .union([selector, z.array(selector)], oneOrMore)
    .optional()
    .describe(
      'VMs of the same namespace that the rule is about. Each selector of a list is a rule of its own.',
    ),
  topologyKey: z
    .enum([HOSTNAME, ZONE_LABEL])
    .optional()
    .describe('What counts as the same place: a host or a zone. Zone rules need none.'),
});

const terms = z.union([term, z.array(term)], oneOrMore);

const verbs = {
  requiredDuringSchedulingIgnoredDuringExecution: 'Required',
  preferredDuringSchedulingIgnoredDuringExecution: 'Preferred',
  requiredDuringSchedulingPreferredDuringExecution: 'Required',
  preferredDuringSchedulingPreferredDuringExecution: 'Preferred',
} as const;
type Verb = keyof typeof verbs;

const rules = fields({
  requiredDuringSchedulingIgnoredDuringExecution: terms.optional().describe('Rules that must hold.'),
  preferredDuringSchedulingIgnoredDuringExecution: terms.optional().describe('Rules that are weighed.'),
  requiredDuringSchedulingPreferredDuringExecution: terms.optional().describe('Rules that must hold.'),
  preferredDuringSchedulingPreferredDuringExecution: terms.optional().describe('Rules that are weighed.'),
}).meta(keepUnknown);

const effects = {
  vmAffinity: 'Affinity',
  vmAntiAffinity: 'AntiAffinity',
  zoneAffinity: 'Affinity',
  zoneAntiAffinity: 'AntiAffinity',
} as const;
type Effect = keyof typeof effects;

/** `spec.affinity`. */
export const affinitySchema = fields({
  vmAffinity: rules.optional().describe('Together with these VMs on one host or in one zone.'),
  vmAntiAffinity: rules.optional().describe('Apart from these VMs, on other hosts or in other zones.'),
  zoneAffinity: rules.optional().describe('Together with these VMs in one zone.'),
  zoneAntiAffinity: rules.optional().describe('Apart from these VMs, in other zones.'),
}).meta(keepUnknown);

type WrittenTerm = z.infer<typeof term>;
type WrittenSelector = z.infer<typeof selector>;

/** The rules of a VM, one term for each, in the order of the fields above. */
export function convertAffinity(affinity: z.infer<typeof affinitySchema>, report: Report): AffinityTerm[] {
  return (Object.keys(effects) as Effect[]).flatMap((effect) =>
    (Object.keys(verbs) as Verb[]).flatMap((verb) =>
      listed(affinity[effect]?.[verb]).flatMap(({ item, steps }) =>
        toTerms(item, effect, verb, ['spec', 'affinity', effect, verb, ...steps], report),
      ),
    ),
  );
}

/** The items of a list, or a single value, each with its path. */
function listed<T>(value: T | T[] | undefined): { item: T; steps: number[] }[] {
  if (value === undefined) return [];
  return Array.isArray(value)
    ? value.map((item, index) => ({ item, steps: [index] }))
    : [{ item: value, steps: [] }];
}

function toTerms(
  written: WrittenTerm,
  effect: Effect,
  verb: Verb,
  path: Path,
  report: Report,
): AffinityTerm[] {
  const topologyKey = topologyOf(written, effect, path, report);
  if (topologyKey === undefined) return [];
  if (written.labelSelector === undefined || listed(written.labelSelector).length === 0) {
    report(path, 'without a labelSelector this rule selects no VM and has no effect', {
      severity: 'Warning',
    });
    return [];
  }
  const isList = Array.isArray(written.labelSelector);
  return listed(written.labelSelector).map(({ item, steps }) => {
    const at = [...path, 'labelSelector', ...steps];
    return {
      effect: effects[effect],
      strength: verbs[verb],
      topologyKey,
      selector: toSelector(item, at, report),
      path: formatPath(isList ? at : path),
    };
  });
}

function topologyOf(
  { topologyKey }: WrittenTerm,
  effect: Effect,
  path: Path,
  report: Report,
): AffinityTerm['topologyKey'] | undefined {
  const isZoneRule = effect === 'zoneAffinity' || effect === 'zoneAntiAffinity';
  if (isZoneRule && topologyKey === HOSTNAME) {
    const other = effect === 'zoneAffinity' ? 'vmAffinity' : 'vmAntiAffinity';
    report(
      [...path, 'topologyKey'],
      `a ${effect} rule is about zones (${ZONE_LABEL}); for hosts use ${other}`,
    );
    return undefined;
  }
  const key = topologyKey ?? (isZoneRule ? ZONE_LABEL : undefined);
  if (key === undefined)
    report([...path, 'topologyKey'], `required: supported values are ${HOSTNAME}, ${ZONE_LABEL}`);
  return key;
}

function toSelector(written: WrittenSelector, path: Path, report: Report): LabelSelector {
  const matchExpressions = (written.matchExpressions ?? []).map(({ key, operator, values = [] }, index) => {
    const at = [...path, 'matchExpressions', index, 'values'];
    const takesValues = operator === 'In' || operator === 'NotIn';
    if (takesValues && values.length === 0)
      report(at, `required: the operator ${operator} needs one value or more`);
    if (!takesValues && values.length > 0)
      report(at, `must be empty: the operator ${operator} takes no values`);
    return { key, operator, values };
  });
  return { matchLabels: written.matchLabels ?? {}, matchExpressions };
}
