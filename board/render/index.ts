/** The renderer of board and report. */
export { boardDocument, INLINE, renderMain, reportDocument } from './document';
export { changedParts, joined, type Rendered } from './parts';
export { inlineSource } from './policy';
