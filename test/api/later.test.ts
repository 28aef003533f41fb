/** Guarantees: G4. */
import { isLater } from '../../api';

const at = (time: number, version?: string) => ({ at: time, ...(version !== undefined && { version }) });

describe('which of two observations of a VM is the later one', () => {
  test.each([
    ['the greater version', at(1, '10'), at(1, '9')],
    ['whatever the clocks say', at(1, '10'), at(99, '9')],
    ['versions longer than a number can be', at(1, '90071992547409931'), at(1, '90071992547409930')],
  ])('%s', (_what, one, other) => {
    expect([isLater(one, other), isLater(other, one)]).toEqual([true, false]);
  });

  test.each([
    ['the same version', at(99, '9'), at(1, '9')],
    ['versions that are no numbers', at(9, 'b'), at(1, 'a')],
  ])('none of the two: %s', (_what, one, other) => {
    expect([isLater(one, other), isLater(other, one)]).toEqual([false, false]);
  });

  test('the order is unknown if one has no version, whatever the clocks say', () => {
    const [one, other] = [at(99), at(1, '9')];
    expect([isLater(one, other), isLater(other, one)]).toEqual([undefined, undefined]);
  });
});
