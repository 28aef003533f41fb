/** One power operation of this process on one VM. */
export { Operation } from './operation';
