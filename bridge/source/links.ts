/** Symbolic links on the way to a file: when one of them is replaced, the same path leads elsewhere. */
import { readlink } from 'node:fs/promises';
import { join, parse, resolve, sep } from 'node:path';

/** One symbolic link. */
export interface Link {
  /** Folder of the link, without links in its own path. */
  folder: string;
  /** Name of the link in it. */
  name: string;
}

/** Most links that one path may lead through, as in Linux. */
const MAX_LINKS = 40;

/** Reads links, each of them once. Make one for each reading. */
export class LinkReader {
  readonly #targets = new Map<string, Promise<string | undefined>>();

  /** Every link on the way from an absolute path to the file that it names. A loop of links ends after {@link MAX_LINKS}. */
  async follow(path: string): Promise<{ links: Link[]; real: string }> {
    const links: Link[] = [];
    const { root } = parse(path);
    const rest = segmentsOf(path);
    let at = root;
    while (rest.length > 0 && links.length < MAX_LINKS) {
      const name = rest.shift() ?? '';
      const target = await this.#targetOf(join(at, name));
      if (target === undefined) {
        at = join(at, name);
        continue;
      }
      links.push({ folder: at, name });
      rest.unshift(...segmentsOf(resolve(at, target)));
      at = root;
    }
    return { links, real: at };
  }

  /** Whether every link that was read still points to the same path. */
  async isCurrent(): Promise<boolean> {
    for (const [path, reading] of this.#targets) {
      const before = await reading;
      if (before !== undefined && (await targetOf(path)) !== before) return false;
    }
    return true;
  }

  #targetOf(path: string): Promise<string | undefined> {
    let target = this.#targets.get(path);
    if (!target) this.#targets.set(path, (target = targetOf(path)));
    return target;
  }
}

function segmentsOf(path: string): string[] {
  return path
    .slice(parse(path).root.length)
    .split(sep)
    .filter((segment) => segment !== '');
}

/** What a link points to; undefined for anything else. Other errors of a path show when it is opened. */
function targetOf(path: string): Promise<string | undefined> {
  return readlink(path).catch(() => undefined);
}
