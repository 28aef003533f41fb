/**
 * A page in parts that can be replaced one by one: what changes is sent to viewers, and not what stays.
 *
 * PARTS-1: two pages with the same skeleton differ in their parts only.
 */
import { trusted, type Html } from './html';

/** The main part of a page: a skeleton with places for parts, and the parts by id. */
export interface Rendered {
  skeleton: string;
  parts: ReadonlyMap<string, string>;
}

/** Collects the parts of a page while it is rendered. */
export class PartCollector {
  readonly #parts = new Map<string, string>();

  /** Puts a part at its place. Its HTML is one element with this id; an id has letters, digits and hyphens only. */
  part(id: string, content: Html): Html {
    this.#parts.set(id, content.toString());
    // No text makes a comment, as `<` is escaped.
    return trusted(`<!--part:${id}-->`);
  }

  rendered(skeleton: Html): Rendered {
    return { skeleton: skeleton.toString(), parts: this.#parts };
  }
}

/** The whole HTML. */
export function joined({ skeleton, parts }: Rendered): string {
  return skeleton.replace(/<!--part:([\w-]+)-->/g, (_all, id: string) => parts.get(id) ?? '');
}

/** The parts that differ; undefined if the skeletons do. */
export function changedParts(before: Rendered, after: Rendered): [id: string, html: string][] | undefined {
  if (before.skeleton !== after.skeleton) return undefined;
  return [...after.parts].filter(([id, text]) => before.parts.get(id) !== text);
}
