/** The version of this program, baked in by scripts/build.ts. */

declare const BHATTI_VERSION: string | undefined;

export const developmentVersion = "0.0.0-dev";

export const version = typeof BHATTI_VERSION === "string" ? BHATTI_VERSION : developmentVersion;
