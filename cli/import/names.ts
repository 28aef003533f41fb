/** Names of Kubernetes objects for names that people gave to VMs. Pure. */

/** Longest name that is made; a group's workflow id and status hold it often. */
const LONGEST = 63;

/** Gives each object a name of its own. */
export class Names {
  readonly #used = new Set<string>();

  /** The name closest to `text` that is valid, and not taken in the namespace. */
  take(namespace: string, text: string): string {
    const base = validName(text);
    for (let count = 1; ; count += 1) {
      const name = count === 1 ? base : `${base.slice(0, LONGEST - 1 - String(count).length)}-${count}`;
      const key = `${namespace}/${name}`;
      if (this.#used.has(key)) continue;
      this.#used.add(key);
      return name;
    }
  }
}

/** A name as Kubernetes has them; `vm` where nothing of the text is left. */
export function validName(text: string): string {
  const name = text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST)
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'vm' : name;
}

/** Whether a name fits a pattern, whatever its case. `*` stands for any characters, `?` for one. */
export function fits(name: string, pattern: string): boolean {
  // Greedy with one point to come back to: linear in pattern times name, whatever the pattern.
  const [text, wanted] = [name.toLowerCase(), pattern.toLowerCase()];
  let [at, next, star, resume] = [0, 0, -1, 0];
  while (at < text.length) {
    if (wanted[next] === '*') [star, resume, next] = [next, at, next + 1];
    else if (wanted[next] === '?' || wanted[next] === text[at]) [at, next] = [at + 1, next + 1];
    else if (star >= 0) [resume, at, next] = [resume + 1, resume + 1, star + 1];
    else return false;
  }
  return [...wanted.slice(next)].every((left) => left === '*');
}
