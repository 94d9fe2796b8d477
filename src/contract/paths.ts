/** Method and path of every endpoint, apart from the schemas so that a client starts without loading them. */
export const paths = {
  "health.get": "GET /health",
  "openapi.get": "GET /openapi.json",
  "version.get": "GET /version",
  "sandbox.create": "POST /sandboxes",
  "sandbox.list": "GET /sandboxes",
  "sandbox.get": "GET /sandboxes/:ref",
  "sandbox.edit": "PATCH /sandboxes/:ref",
  "sandbox.destroy": "DELETE /sandboxes/:ref",
  "sandbox.stop": "POST /sandboxes/:ref/stop",
  "sandbox.start": "POST /sandboxes/:ref/start",
  "sandbox.fork": "POST /sandboxes/:ref/fork",
  "snapshot.create": "POST /sandboxes/:ref/checkpoint",
  "snapshot.list": "GET /snapshots",
  "snapshot.get": "GET /snapshots/:ref",
  "snapshot.delete": "DELETE /snapshots/:ref",
  "snapshot.resume": "POST /snapshots/:ref/resume",
  "snapshot.restore": "POST /snapshots/:ref/restore",
  "template.create": "POST /templates",
  "template.list": "GET /templates",
  "template.get": "GET /templates/:ref",
  "template.delete": "DELETE /templates/:ref",
  "exec.run": "POST /sandboxes/:ref/exec",
  "exec.stream": "GET /sandboxes/:ref/exec/stream",
} as const satisfies Record<string, `${"GET" | "POST" | "PATCH" | "PUT" | "DELETE"} /${string}`>;

export type EndpointId = keyof typeof paths;
