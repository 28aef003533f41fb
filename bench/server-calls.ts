/** What a Temporal server counts itself. */

/** How often the server was called since its start. Published once a second. */
export async function callsOf(metricsPort: number, operation: string): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return page
    .split('\n')
    .filter((line) => line.startsWith('service_requests{'))
    .filter((line) => line.includes(`operation="${operation}"`) && line.includes('service_name="frontend"'))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
