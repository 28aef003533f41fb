/** Ours and the floor in one bundle, so that one worker runs both. */
export { virtualMachineGroup } from '../workflows';
export { floor } from './floor-workflow';
