/**
 * The order of test files: those of `cluster` and `temporal` first, because they mostly wait, those of `unit` last, because they fill the
 * cores that are left when few files are. Within a tier it is Jest's own order, longest first.
 */
const Sequencer = require('@jest/test-sequencer').default;

const ORDER = ['cluster', 'temporal', 'unit'];

/** @param {import('jest-runner').Test} test */
function rank({ context }) {
  return ORDER.indexOf(context.config.displayName?.name ?? '');
}

module.exports = class TierSequencer extends Sequencer {
  /** @param {import('jest-runner').Test[]} tests */
  sort(tests) {
    return super.sort(tests).sort((first, second) => rank(first) - rank(second));
  }
};
