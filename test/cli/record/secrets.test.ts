/** What a log says of the place of a record. Guarantees: G11. */
import { withoutPassword } from '../../../cli/record/recorder';

test.each([
  ['/var/lib/vmgroup/record', '/var/lib/vmgroup/record'],
  ['postgres:', 'postgres:'],
  ['postgres://app@db:5432/record', 'postgres://app@db:5432/record'],
  ['postgres://app:secret@db/record', 'postgres://app@db/record'],
  ['postgresql://app:sec@ret@db/record', 'postgresql://app@db/record'],
  ['postgres://app:sec:ret/@db/record?sslmode=require', undefined],
  ['postgres://db/record?user=app&password=secret', 'postgres://db/record'],
  ['postgres://:secret@db/record', 'postgres://db/record'],
])('G11: %s without its password', (where, shown) => {
  if (shown === undefined) expect(withoutPassword(where)).not.toMatch(/sec|ret/);
  else expect(withoutPassword(where)).toBe(shown);
});
