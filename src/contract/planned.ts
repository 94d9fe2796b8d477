/** Planned features and their versions. */
export const plannedVersions = {
  networking: "0.2.0",
  images: "0.3.0",
  volumes: "0.4.0",
  secrets: "0.5.0",
  "operator tools": "0.5.0",
  updates: "0.6.0",
} as const;

export type PlannedFeature = keyof typeof plannedVersions;
