/** The renderer of the page. */
export { boardDocument, INLINE, renderMain } from './document';
export { changedParts, joined, type Rendered } from './parts';
