/** Jest's global tear-down of the tier `temporal`: says below the results what they do not cover, since the set-up said so long before. */
import { libvirtNote } from './libvirt-parts';

export default function tearDown(): void {
  const note = libvirtNote();
  if (note !== undefined) process.stderr.write(`${note}\n`);
}
