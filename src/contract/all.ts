/** The list of endpoints, in the order in which they are documented. */
import type { EndpointInput, EndpointResult } from "./endpoint.ts";
import { execEndpoints } from "./exec.ts";
import { healthEndpoints } from "./health.ts";
import { sandboxEndpoints } from "./sandboxes.ts";

export const endpoints = { ...healthEndpoints, ...sandboxEndpoints, ...execEndpoints };

export type Endpoints = typeof endpoints;
export type Input<Id extends keyof Endpoints> = EndpointInput<Endpoints[Id]>;
export type Result<Id extends keyof Endpoints> = EndpointResult<Endpoints[Id]>;
