/**
 * Metrics of how things stand: groups by phase, open runs, parked members, problems of manifests. Alerts on them hold for as long as the state does.
 *
 * METRICS-5: one process at most shows a state, the one that leads. Others know old ones, and sums over replicas would count twice.
 */
import { Gauge, type Registry } from 'prom-client';
import type { Problem } from '../api';
import type { GroupView } from '../bridge';

/** What is known of all groups and manifests. */
export interface KnownStates {
  views: readonly GroupView[];
  problems: readonly Problem[];
}

const SEVERITIES: readonly Problem['severity'][] = ['Error', 'Warning'];

/** Shows states, read at each scrape. `read` returns undefined while another process leads: then there are no series. */
export function showStates(registry: Registry, read: () => KnownStates | undefined): void {
  const gauge = <L extends string>(
    name: string,
    help: string,
    label: L,
    keysOf: (known: KnownStates) => string[],
    always: readonly string[] = [],
  ) =>
    new Gauge<L>({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        const labels = (key: string): Record<L, string> => ({ [label]: key }) as Record<L, string>;
        // METRICS-5.
        this.reset();
        const known = read();
        if (!known) return;
        for (const key of always) this.set(labels(key), 0);
        for (const key of keysOf(known)) this.inc(labels(key));
      },
    });
  gauge('vmgroup_groups', 'Groups, by phase.', 'phase', ({ views }) => views.map(({ phase }) => phase));
  gauge('vmgroup_open_runs', 'Open runs, by phase.', 'phase', ({ views }) =>
    views.filter(hasOpenRun).map(({ phase }) => phase),
  );
  gauge('vmgroup_parked_members', 'Parked members of open runs, by class of the failure.', 'class', (known) =>
    known.views.filter(hasOpenRun).flatMap(parkedClasses),
  );
  gauge(
    'vmgroup_manifest_problems',
    'Problems of manifests, by severity.',
    'severity',
    ({ problems }) => problems.map(({ severity }) => severity),
    SEVERITIES,
  );
}

function hasOpenRun({ run }: GroupView): boolean {
  return run !== undefined && run.endedAt === undefined;
}

function parkedClasses({ run }: GroupView): string[] {
  const parked = (run?.progress?.members ?? []).filter(({ phase }) => phase === 'Parked');
  return parked.map(({ lastError }) => lastError?.class ?? '');
}
