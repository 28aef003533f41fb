/** Waits for a condition; gives up a little before the test's own time-out does, so that nothing goes on after a failed test. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries += 1) {
    if (tries > 2_500) throw new Error(`waited in vain for ${condition.toString()}`);
    await new Promise((over) => setTimeout(over, 20));
  }
}
