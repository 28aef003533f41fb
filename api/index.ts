/** The resources: their internal form, parsing of every accepted version and spelling, validation. */
export * from './model';
