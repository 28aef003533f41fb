/** Results of checks, as `vmgroup doctor` prints them. */

/** What a check found. The names of the fields are those of `doctor -o json`. */
export interface CheckResult {
  /** What was checked, such as `node` or `run prod/app`. */
  check: string;
  /** `note`: no problem, but worth knowing. */
  result: 'ok' | 'note' | 'problem';
  message: string;
  /** What to do about it. */
  cure?: string;
  /** The values in the message, for programs. */
  facts?: Record<string, unknown>;
}

/** The result of a check whose name the caller knows. */
export type Judgement = Omit<CheckResult, 'check'>;
