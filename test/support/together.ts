/** Tests that mostly wait: their bodies begin at the same moment, so that a file takes as long as its longest test. */

const cases: { body: () => Promise<void>; done: Promise<void> }[] = [];

/** A test whose body begins with all the others, in {@link beginTogether}. */
export function together(name: string, body: () => Promise<void>): void {
  const mine: (typeof cases)[number] = { body, done: Promise.resolve() };
  cases.push(mine);
  it(name, () => mine.done);
}

/** Begins all bodies: the end of `beforeAll`. */
export function beginTogether(): void {
  for (const each of cases) {
    each.done = each.body();
    // It is reported by its own test.
    each.done.catch(() => undefined);
  }
}

/** Resolves once every body has ended: the beginning of `afterAll`. */
export async function endedTogether(): Promise<void> {
  await Promise.allSettled(cases.map(({ done }) => done));
}
