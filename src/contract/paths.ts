/** Method and path of every endpoint, apart from the schemas so that a client starts without loading them. */
export const paths = {
  "health.get": "GET /health",
  "openapi.get": "GET /openapi.json",
  "version.get": "GET /version",
  "sandbox.create": "POST /sandboxes",
  "sandbox.list": "GET /sandboxes",
  "sandbox.get": "GET /sandboxes/:ref",
  "sandbox.destroy": "DELETE /sandboxes/:ref",
  "exec.run": "POST /sandboxes/:ref/exec",
  "exec.stream": "GET /sandboxes/:ref/exec/stream",
} as const satisfies Record<string, `${"GET" | "POST" | "PATCH" | "PUT" | "DELETE"} /${string}`>;

export type EndpointId = keyof typeof paths;
