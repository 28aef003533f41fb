/** Who did what: operator commands and what was done in the Temporal UI. */
import type { ActionItem } from '../page/page';
import { markup, type Html } from './html';
import { dayMoment } from './time';

/** The table of actions; empty if there are none. */
export function actions(id: string, items: readonly ActionItem[]): Html {
  if (items.length === 0) return markup`<div id="${id}"></div>`;
  const rows = items.map(
    ({ at, who, group, what, reason }) =>
      markup`<tr>
        <td class="t">${dayMoment(at)}</td>
        <td>${who}</td>
        <td>${what}</td>
        <td>${group}</td>
        <td>${reason}</td>
      </tr>`,
  );
  return markup`<section class="card long" id="${id}">
    <h2>Who did what</h2>
    <table>
      <thead>
        <tr>
          <th>time</th>
          <th>who</th>
          <th>what</th>
          <th>group</th>
          <th>reason</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}
