/** Who wrote an object, as the admission webhook has stamped it. */
export { stampPatch } from './stamp-patch';
export { STAMPED_USER, Stamps, type Stamp } from './stamps';
