/** Puts message and stack of failures into a payload, so that they are encrypted too. The SDK loads it by its path. */
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
