/**
 * Checks that an API server makes itself: metadata of each schema, from which the CRDs are generated.
 *
 * The messages are those of `validate`. An API server estimates what a rule may cost at worst, from the bounds of the lists and texts
 * around it, and refuses a CRD whose rules cost too much (https://kubernetes.io/docs/reference/using-api/cel/#resource-use-by-cel-functions).
 * Rules over all members of a group do: they are left to admission.
 */

/** Boot groups of a group, and members of one boot group. */
export const MAX_LIST = 10_000;

/** Length of a duration: `time.Duration.String` writes at most 26 characters. */
const MAX_DURATION = 64;

/** A rule in the Common Expression Language; `self` is the value. */
export interface ServerRule {
  rule: string;
  /** The message for the user: a text, or an expression that returns one. */
  message?: string;
  messageExpression?: string;
  /** Path below the value of the field that is at fault. */
  fieldPath?: string;
  reason?: 'FieldValueForbidden' | 'FieldValueInvalid' | 'FieldValueRequired';
}

/** Metadata of a schema: rules that an API server checks. */
export function serverRules(...rules: ServerRule[]): { 'x-kubernetes-validations': ServerRule[] } {
  return { 'x-kubernetes-validations': rules };
}

/**
 * Metadata of a mapping whose unknown fields are kept although `validate` refuses them: inside a mapping that keeps its unknown fields, an
 * API server silently drops those of nested mappings.
 */
export const keepUnknown = { 'x-kubernetes-preserve-unknown-fields': true };

/** Metadata of a list whose items are identified by some of their fields: these are unique, and each item has its own field managers. */
export function listMap(...keys: string[]): Record<string, unknown> {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys };
}

const NAME = '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*';

/** Metadata of the name of an object. Only a pattern: names occur in lists that are too long for rules. */
export const nameChecks = { minLength: 1, maxLength: 253, pattern: `^${NAME}$` };

/** Metadata of a name that may be empty. */
export const optionalNameChecks = { maxLength: 253, pattern: `^(${NAME})?$` };

const DURATION = '^\\\\+?(0|(([0-9]+(\\\\.[0-9]*)?|\\\\.[0-9]+)(h|ms|m|s|us|µs|μs|ns))+)$';

/** An expression: whether `text` is a Go duration that is not negative. */
export function isDuration(text: string): string {
  return `${text}.matches('${DURATION}')`;
}

const DURATION_CURE =
  "(self.matches('^[+-]?[0-9]+(\\\\.[0-9]*)?$') ? 'a unit is missing; did you mean \"' + self + 's\"?' : " +
  '\'write numbers with units (h, m, s, ms, us, ns), such as "30s", "1m30s" or "1.5h"\')';

const notNegative = {
  rule: isDuration('self'),
  messageExpression:
    "'invalid duration \"' + self + '\": ' + (self.startsWith('-') ? 'must not be negative' : " +
    `${DURATION_CURE})`,
};

/** Metadata of a duration. */
export const durationChecks = { maxLength: MAX_DURATION, ...serverRules(notNegative) };

/** Metadata of a duration greater than zero. */
export const positiveDurationChecks = {
  maxLength: MAX_DURATION,
  ...serverRules(notNegative, {
    rule: `!${isDuration('self')} || self.matches('[1-9]')`,
    messageExpression: "'invalid duration \"' + self + '\": must be longer than 0s'",
  }),
};
