/** Numbers of the file endpoints, apart from their schemas so that a client starts without loading those. */

/** What one file.write takes. */
export const maximumFileBytes = 104_857_600;
/** What file.read lists of one directory. */
export const maximumEntries = 10_000;
