/** The whole page as an HTML document. */
import type { Page } from '../page/page';
import { actions } from './actions';
import { attention } from './attention';
import { markup, trusted, type Html } from './html';
import { shape, shapeDefinitions } from './marks';
import { joined, PartCollector, type Rendered } from './parts';
import { SCRIPT } from './script';
import { STYLE } from './style';
import { filledClocks, moment } from './time';
import { trees } from './tree';

/** The style sheet and the script of the page as they stand in it: what a content security policy names the hashes of. */
export const INLINE = { style: STYLE, script: SCRIPT } as const;

/** What goes into the element `main`, in parts. */
export function renderMain(page: Page): Rendered {
  const parts = new PartCollector();
  const main = markup`${parts.part('fresh', freshness(page))}
  ${parts.part('attention', attention('attention', page.attention))}
  ${page.trees.length === 0 ? markup`<section class="card"><p>There is no group yet.</p></section>` : trees(page, parts)}
   ${parts.part('actions', actions('actions', page.actions))} `;
  return parts.rendered(main);
}

/**
 * The document of a board. `version` names what is shown, for the request of changes. The clocks are filled in, so it can be read without
 * a script.
 */
export function boardDocument(page: Page, rendered: Rendered, version: string): string {
  const body = markup`<body data-at="${page.at}" data-version="${version}">
    <div id="lost" role="alert" hidden></div>
    ${top(page)}
    <main id="main">${trusted(joined(rendered))}</main>
    <script>${trusted(SCRIPT)}</script>
  </body>`;
  return filledClocks(documentOf(page, body), page.at);
}

function documentOf(page: Page, body: Html): string {
  // The icon is empty: browsers ask for one that is not named.
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${page.title}</title>
        <link rel="icon" href="data:," />
        <style>${trusted(STYLE)}</style>
      </head>
      ${body}
    </html> `.toString();
}

function top({ at }: Page): Html {
  return markup`${shapeDefinitions()}<div class="top"><span><b>vmgroup</b> board</span><span id="now">${moment(at)}</span></div>`;
}

function freshness({ freshness }: Page): Html {
  if (freshness.state === 'Live') return markup`<div id="fresh"></div>`;
  return markup`<p class="fresh Stale attention" id="fresh" role="alert">
    ${shape('Missing')}<span>Not up to date since ${moment(freshness.since)}: ${freshness.why}</span>
  </p>`;
}
