/** What Temporal knows of an open run that the run itself cannot report. Pure. */
import type { GroupView } from '../../bridge';
import { healthFindings, type HealthFinding } from '../../insight';
import { wrapped, type Drawing } from './lines';

/** The health problems of the group's open run. */
export function healthOf({ metadata, run }: GroupView): HealthFinding[] {
  if (!run?.health || run.endedAt !== undefined) return [];
  return healthFindings(metadata, run.workflowId, run.health);
}

/** The lines of a health problem, with the commands that help. */
export function healthLines(
  { message, cure }: HealthFinding,
  indent: string,
  { paint, width = 80 }: Drawing,
): string[] {
  const lines = (text: string): string[] => wrapped(text, width, indent);
  return [
    ...lines(`✖ ${message}`).map((text) => paint.bad(text)),
    ...cure.flatMap((command) => lines(`→ ${command}`)).map((text) => paint.warn(text)),
  ];
}
