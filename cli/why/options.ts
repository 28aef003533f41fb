/** Options of `vmgroup why`. */
import type { Format, GroupOptions } from '../options';

/** Options of `why`. */
export interface WhyOptions extends GroupOptions {
  output: Format;
}
