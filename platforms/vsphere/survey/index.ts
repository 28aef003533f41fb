/** What `vmgroup doctor` learns of a server. */
export { privilegesFor } from './privileges';
export { Survey, type MissingPrivilege } from './survey';
