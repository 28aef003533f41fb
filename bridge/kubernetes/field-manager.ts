/** Field manager of everything that the bridge applies. */
export const FIELD_MANAGER = 'vmgroup-bridge';
