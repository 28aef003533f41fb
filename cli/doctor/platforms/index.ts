/** Checks of platforms: `vmgroup doctor --platform`. */
export { checkPlatforms } from './check-platforms';
