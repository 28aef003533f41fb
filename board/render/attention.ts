/** What waits for an operator, on top of the page. */
import type { AttentionItem } from '../page/page';
import { markup, type Html } from './html';
import { shape } from './marks';
import { clock } from './time';

/** Items that are shown in full; the others take a line each. */
const IN_FULL = 8;
/** Items that are named at all. */
const MOST_NAMED = 300;

/** The box of everything that waits for an operator; empty if there is nothing. */
export function attention(id: string, items: readonly AttentionItem[]): Html {
  if (items.length === 0) return markup`<div id="${id}"></div>`;
  const full = items.slice(0, IN_FULL).map(card);
  const more = items.slice(IN_FULL, MOST_NAMED);
  const unnamed = items.length - IN_FULL - more.length;
  return markup`<section class="attention" id="${id}" aria-live="polite">
    <h2>
      ${shape('Parked')}${items.length === 1 ? '1 needs an operator' : `${items.length} need an operator`}
    </h2>
    <ol>
      ${full}
    </ol>
    ${
      more.length > 0 &&
      markup`<ul class="more">
        ${more.map(line)}
      </ul>`
    }
    ${unnamed > 0 && markup`<p>and ${unnamed} more</p>`}
  </section>`;
}

function card({ group, member, mark, what, message, since, commands }: AttentionItem): Html {
  const [command] = commands;
  return markup`<li>
    ${shape(mark)}
    <div>
      <p>
        <b>${member ?? group}</b> ${what}${
          since !== undefined && markup`, for ${clock('up', since)}`
        }${member !== undefined && markup` <small>in ${group}</small>`}
      </p>
      <p class="why">${message}</p>
      ${command !== undefined && markup`<p><code>${words(command)}</code></p>`}
    </div>
  </li>`;
}

/** A command that breaks between its words only: browsers would break names and options at each hyphen. */
function words(command: string): Html[] {
  return command.split(' ').map((word, at) => markup`${at > 0 && ' '}<span>${word}</span>`);
}

function line({ group, member, mark, what }: AttentionItem): Html {
  return markup`<li>${shape(mark)} <b>${member ?? group}</b> ${what}</li>`;
}
