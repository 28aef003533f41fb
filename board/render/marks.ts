/** The shapes and words of marks: each can be told from the others without colour. */
import type { Mark } from '../page/page';
import { markup, trusted, type Html } from './html';

/** What each mark is called in the legend. */
export const MARK_WORD: Readonly<Record<Mark, string>> = {
  Done: 'done',
  Working: 'in progress',
  Queued: 'queued',
  Waiting: 'waiting',
  Parked: 'parked',
  Missing: 'missing',
  SetAside: 'set aside',
};

const SHAPE: Readonly<Record<Mark, string>> = {
  Done: '<circle cx="8" cy="8" r="7" fill="currentColor"/><path d="M4.6 8.2l2.4 2.4 4.5-5" class="cut"/>',
  Working:
    '<circle cx="8" cy="8" r="6.1" class="ring"/><path d="M8 3.6a4.4 4.4 0 0 1 0 8.8z" fill="currentColor"/>',
  Queued: '<circle cx="8" cy="8" r="6.1" class="ring"/><circle cx="8" cy="8" r="2" fill="currentColor"/>',
  Waiting: '<circle cx="8" cy="8" r="3.6" class="thin"/>',
  Parked:
    '<path d="M8 .4L15.6 8 8 15.6.4 8z" fill="currentColor"/><path d="M8 4.2v4.6M8 10.6v1.5" class="cut"/>',
  Missing:
    '<rect x="1.6" y="1.6" width="12.8" height="12.8" rx="1.5" class="dash"/><path d="M6 6.4a2 2 0 1 1 2.6 1.9c-.5.2-.6.5-.6 1.1M8 11v1.2" class="mark"/>',
  SetAside:
    '<rect x="1.6" y="1.6" width="12.8" height="12.8" rx="1.5" class="ring"/><path d="M4.6 8h6.8" class="mark"/>',
};

/** The definitions that {@link shape} refers to. */
export function shapeDefinitions(): Html {
  const symbols = Object.entries(SHAPE).map(
    ([mark, drawing]) => markup`<symbol id="s-${mark}" viewBox="0 0 16 16">${trusted(drawing)}</symbol>`,
  );
  const hatches = Object.keys(SHAPE).map(
    (mark) =>
      markup`<pattern
        id="hatch-${mark}"
        width="6"
        height="6"
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"
        ><path d="M0 0v6" class="hatch ${mark}"
      /></pattern>`,
  );
  const dots = markup`<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse"
    ><circle cx="2" cy="2" r="1" class="dot"
  /></pattern>`;
  return markup`<svg class="definitions" aria-hidden="true" width="0" height="0">
    <defs>${symbols}${hatches}${dots}</defs>
  </svg>`;
}

/** The shape of a mark. */
export function shape(mark: Mark): Html {
  return markup`<svg class="s ${mark}" aria-hidden="true"><use href="#s-${mark}" /></svg>`;
}
