/** How much there may be of what, apart from the schemas: services and a client need no schema to know it. */

/** Of a sandbox's or snapshot's name, in characters. */
export const longestName = 63;
/** Of one sandbox. */
export const maximumLabels = 16;
/** Of an init script, which is one argument of a shell: the limit of Linux. */
export const maximumInitBytes = 131_071;
/** Per user: number of templates, and total bytes of their settings. */
export const maximumTemplates = 100;
export const maximumTemplateBytes = 4 * 1024 * 1024;
/** At once. */
export const maximumForks = 64;
/** Until a share link expires. */
export const maximumShareSeconds = 31_536_000;
