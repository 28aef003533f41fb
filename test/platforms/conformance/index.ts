/**
 * The conformance suite: what every platform must do, tested against its real part. A platform's own test file has its binding and calls
 * {@link describePlatform}.
 *
 * Effects are counted by the part's own record, never by what we say that we did.
 */
import type { PlatformType } from '../../../platforms';
import { Bench } from './bench';
import { describeCapabilities } from './capabilities';
import { describeIdentity } from './identity';
import { describeLifecycle } from './lifecycle';
import { describeModes } from './modes';
import { describeOperations } from './operations';
import { describePlacement } from './placement';
import type { PlatformUnderTest } from './platform-under-test';
import { describeTrouble } from './trouble';
import { describeWatch } from './watch';

export { cutInTheMiddle, lineOver, noLine, refuseWatches } from './line';
export * from './platform-under-test';

/** Milliseconds for the part to start. */
const START = 240_000;

/** Defines the suite for one platform. */
export function describePlatform(name: PlatformType, part: PlatformUnderTest): void {
  describe(`the platform ${name}`, () => {
    beforeAll(() => part.start(), START);
    afterAll(() => part.stop());
    const bench = new Bench(name, part);
    describeCapabilities(name, part, bench);
    describeOperations(part, bench);
    describeIdentity(part, bench);
    describeWatch(part, bench);
    describeModes(part, bench);
    describeTrouble(part, bench);
    describePlacement(part, bench);
    describeLifecycle(bench);
  });
}
