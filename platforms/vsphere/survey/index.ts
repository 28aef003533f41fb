/** What `vmgroup doctor` learns of a server. */
export { PRIVILEGES, privilegesFor, type Privilege } from './privileges';
export { Survey, type MissingPrivilege } from './survey';
