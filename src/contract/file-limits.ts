/** Numbers of the file endpoints, apart from their schemas so that a client starts without loading those. */

/** What one file.write takes. */
export const maximumFileBytes = 104_857_600;
