/** Who wrote an object, as the admission webhook has stamped it. */
export { stampPatch, type StampRequest } from './stamp-patch';
export { STAMPED_USER, Stamps, type Stamp, type StampedObject } from './stamps';
