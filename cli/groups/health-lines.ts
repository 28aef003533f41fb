/** What Temporal knows of an open run that the run itself cannot report. Pure. */
import type { GroupView } from '../../bridge';
import { healthFindings, type HealthFinding } from '../../insight';
import { commandLines, wrapped, type Drawing } from './lines';

/** The health problems of the group's open run. */
export function healthOf({ metadata, run }: GroupView): HealthFinding[] {
  if (!run?.health || run.endedAt !== undefined) return [];
  return healthFindings(metadata, run.workflowId, run.health);
}

/** The lines of a health problem, with the commands that help. */
export function healthLines({ message, cure }: HealthFinding, indent: string, drawing: Drawing): string[] {
  const { paint, width = 80 } = drawing;
  return [
    ...wrapped(`✖ ${message}`, width, indent).map((text) => paint.bad(text)),
    ...cure.flatMap((command) => commandLines(command, indent, drawing)),
  ];
}
