/** How much there may be of what, apart from the schemas: services and a client need no schema to know it. */

/** Of a sandbox's or snapshot's name, in characters. */
export const longestName = 63;
/** Of one sandbox. */
export const maximumLabels = 16;
/** At once. */
export const maximumForks = 64;
