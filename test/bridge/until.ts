/** Waits for a condition, as long as the test's own time-out lets it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((over) => setTimeout(over, 20));
}
