/** Who wrote an object, as the admission webhook has stamped it. */
export { stampPatch, type StampRequest } from './stamp-patch';
export { Stamps, type Stamp, type StampedObject } from './stamps';
