import { patched } from '@temporalio/workflow';
import type { Uses } from '../changes';

/** Behaviour of newer builds is used by runs that have not begun without it. */
export const uses: Uses = (change) => patched(change);
