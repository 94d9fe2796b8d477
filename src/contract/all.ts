/** The list of endpoints, in the order in which they are documented. */
import type { EndpointInput, EndpointResult } from "./endpoint.ts";
import { execEndpoints } from "./exec.ts";
import { fileEndpoints } from "./files.ts";
import { healthEndpoints } from "./health.ts";
import { imageEndpoints } from "./images.ts";
import { lifecycleEndpoints } from "./lifecycle.ts";
import { operationEndpoints } from "./operations.ts";
import { sandboxEndpoints } from "./sandboxes.ts";
import { sessionEndpoints } from "./sessions.ts";
import { shareEndpoints } from "./shares.ts";
import { snapshotEndpoints } from "./snapshots.ts";
import { templateEndpoints } from "./templates.ts";

export const endpoints = {
  ...healthEndpoints,
  ...sandboxEndpoints,
  ...lifecycleEndpoints,
  ...snapshotEndpoints,
  ...operationEndpoints,
  ...templateEndpoints,
  ...imageEndpoints,
  ...execEndpoints,
  ...sessionEndpoints,
  ...fileEndpoints,
  ...shareEndpoints,
};

export type Endpoints = typeof endpoints;
export type Input<Id extends keyof Endpoints> = EndpointInput<Endpoints[Id]>;
export type Result<Id extends keyof Endpoints> = EndpointResult<Endpoints[Id]>;
