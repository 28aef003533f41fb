/** The whole page as an HTML document: the one renderer of board and report. */
import type { Freshness, Page } from '../page/page';
import { actions } from './actions';
import { attention } from './attention';
import { markup, trusted, type Html } from './html';
import { shape, shapeDefinitions } from './marks';
import { joined, PartCollector, type Rendered } from './parts';
import { inlineSource } from './policy';
import { reportEnd, reportSections } from './report';
import { SCRIPT } from './script';
import { STYLE } from './style';
import { dayMoment, filledClocks, moment } from './time';
import { trees } from './tree';

/** The style sheet and the script of the page as they stand in it: what a content security policy names the hashes of. */
export const INLINE = { style: STYLE, script: SCRIPT } as const;

/** What goes into the element `main`, in parts. */
export function renderMain(page: Page): Rendered {
  const parts = new PartCollector();
  const main = markup`${parts.part('fresh', freshness(page))}
  ${parts.part('attention', attention('attention', page.attention))}
  ${page.trees.length === 0 ? markup`<section class="card"><p>There is no group yet.</p></section>` : trees(page, parts)}
  ${reportSections(page)} ${parts.part('actions', actions('actions', page.actions))} ${reportEnd(page)}`;
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

/** What a report may load and run: nothing, but for its own style. */
const REPORT_POLICY = `default-src 'none'; style-src ${inlineSource(STYLE)}; img-src data:; base-uri 'none'; form-action 'none'`;

/** The document of a report: one file that needs no network and has no script. */
export function reportDocument(page: Page): string {
  const body = markup`<body>
    ${top(page)}
    <main id="main">${trusted(joined(renderMain(page)))}</main>
  </body>`;
  const policy = markup`<meta http-equiv="content-security-policy" content="${REPORT_POLICY}" />`;
  return filledClocks(documentOf(page, body, policy), page.at);
}

function documentOf(page: Page, body: Html, policy?: Html): string {
  // The icon is empty: browsers ask for one that is not named.
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        ${policy}
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${page.title}</title>
        <link rel="icon" href="data:," />
        <style>${trusted(STYLE)}</style>
      </head>
      ${body}
    </html> `.toString();
}

function top(page: Page): Html {
  const time =
    page.kind === 'Board'
      ? markup`<span id="now">${moment(page.at)}</span>`
      : markup`<span>made ${dayMoment(page.at)}</span>`;
  return markup`${shapeDefinitions()}
    <div class="top">
      <span><b>vmgroup</b> ${page.kind === 'Board' ? 'board' : 'report'}</span>${time}
    </div>`;
}

function freshness({ kind, freshness }: { kind: Page['kind']; freshness: Freshness }): Html {
  if (kind === 'Report') return markup`<div id="fresh"></div>`;
  if (freshness.state === 'Live') return markup`<div id="fresh"></div>`;
  return markup`<p class="fresh Stale attention" id="fresh" role="alert">
    ${shape('Missing')}<span>Not up to date since ${moment(freshness.since)}: ${freshness.why}</span>
  </p>`;
}
