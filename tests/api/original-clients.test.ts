/** Requests as programs written for the original send them, played back in order. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";

let daemon: FakeDaemon;
beforeAll(async () => {
  daemon = await startFakeDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** Fields that a struct without `omitempty` sends in each create. */
const unset = `"image":"","cpus":0,"memory_mb":0,"disk_size_mb":0,"env":null,"init":"","keep_hot":false,
  "hugepages":false,"persistent_volumes":null,"new_volumes":null,"volumes":[],"secrets":[],"files":null,"labels":null`;

const web = { template_id: expect.stringMatching(/./), cpus: 2, memory_mb: 1024, keep_hot: true };

type Row = [request: string, body: string | undefined, status: number, answer: unknown];

const rows: Row[] = [
  ["POST /sandboxes", `{"name":"dev","template_id":"",${unset}}`, 201, { name: "dev", cpus: 1 }],
  ["POST /sandboxes", `{"name":"","template_id":"",${unset}}`, 201, { status: "running" }],
  ["POST /sandboxes", `{"name":"copy","from":"dev",${unset}}`, 201, { name: "copy" }],
  ["POST /sandboxes", `{"name":"copy","from":"dev",${unset}}`, 200, { name: "copy" }],
  ["POST /sandboxes", '{"name":"x","cpus":-1}', 400, { error: /^cpus: must be between 1 and 64/ }],
  ["POST /sandboxes", '{"name":"x","hugepages":true}', 400, { error: /^hugepages: must be false/ }],
  ["POST /sandboxes", '{"name":"x","secrets":["A"]}', 400, { error: /^secrets: must be empty/ }],
  [
    "POST /templates",
    `{"id":"","created_at":"0001-01-01T00:00:00Z","name":"web","engine":"firecracker","image":"","cpus":2,"memory_mb":0,"disk_size_mb":0,"userdata":"","secrets":null,
      "labels":null,"mounts":null,"keep_hot":true}`,
    201,
    { name: "web", cpus: 2, memory_mb: 1024, secrets: [], mounts: [] },
  ],
  ["POST /sandboxes", `{"name":"web","template_id":"web",${unset}}`, 201, web],
  ["PATCH /sandboxes/web", '{"keep_hot":false}', 200, { keep_hot: false }],
  [
    "PATCH /sandboxes/web",
    '{"name":"","labels_add":{"a":"b"},"labels_remove":null,"keep_hot":null}',
    200,
    { name: "web", labels: { a: "b" }, keep_hot: false },
  ],
  ["PATCH /sandboxes/web", "null", 400, { error: /^body: must have at least one field to change/ }],
  ["POST /sandboxes/dev/stop", "null", 200, { status: "stopped" }],
  ["POST /sandboxes/dev/start", "null", 200, { status: "running" }],
  ["POST /sandboxes/dev/start", '{"force":false}', 200, { status: "running" }],
  ["POST /sandboxes/dev/start", undefined, 200, { status: "running" }],
  [
    "POST /sandboxes/dev/exec",
    '{"cmd":["echo","hi"],"timeout_sec":0,"detach":false,"output_file":""}',
    200,
    { exit_code: 0, stdout: "hi\n", stderr: "" },
  ],
  [
    "POST /sandboxes/dev/exec",
    '{"cmd":["echo","hi"],"output_file":"/workspace/out.log"}',
    200,
    { stdout: "hi\n" },
  ],
  [
    "POST /sandboxes/dev/exec",
    '{"cmd":["echo","hi"],"timeout_sec":0,"detach":true,"output_file":"/workspace/detached.log"}',
    200,
    { detached: true, pid: expect.any(Number), output_file: "/workspace/detached.log" },
  ],
  [
    "POST /sandboxes/dev/exec",
    `{"cmd":["sh","-c","until [ -s detached.log ]; do sleep 0.01; done; cat detached.log"]}`,
    200,
    { stdout: "hi\n" },
  ],
  [
    "POST /sandboxes/dev/exec",
    '{"cmd":["true"],"detach":true,"output_file":"/nowhere/out.log"}',
    400,
    { error: /^Cannot write to '\/nowhere\/out\.log': No such file or directory/ },
  ],
  ["POST /sandboxes/dev/exec", '{"cmd":null}', 400, { error: /^cmd: must be a list/ }],
  [
    "POST /sandboxes/dev/exec",
    '{"cmd":["true"],"timeout_sec":-1}',
    400,
    { error: /^timeout_sec: / },
  ],
  ["POST /sandboxes/dev/checkpoint", '{"name":"full","type":"memory"}', 201, { type: "full" }],
  ["POST /sandboxes/dev/checkpoint", '{"name":"usual","type":""}', 201, { type: "full" }],
  ["POST /snapshots/full/resume", '{"name":""}', 201, { status: "running" }],
  ["POST /snapshots/full/resume", "null", 201, { status: "running" }],
  ["PUT /sandboxes/dev/files?path=/workspace/a&mode=", "one\ntwo\n", 200, { status: "ok" }],
  [
    "GET /sandboxes/dev/files?path=/workspace/a&ls=&offset=0&limit=1&max_bytes=0",
    undefined,
    200,
    "one\n",
  ],
  ["GET /images", undefined, 200, [{ name: "tiny", user_id: "", source: "test", size_mb: 64 }]],
  ["GET /sandboxes?label=", undefined, 200, [{ name: "dev" }]],
  [
    "GET /health",
    undefined,
    200,
    { status: "ok", uptime: /^[\d.]+m?s$/, uptime_s: expect.any(Number) },
  ],
  ["POST /sandboxes/dev/shell-token", undefined, 200, { token: /^[0-9a-f]{64}$/ }],
  ["DELETE /sandboxes/dev", undefined, 200, { status: "destroyed" }],
];

const titled = rows.map((row): [title: string, ...row: Row] => {
  const [request, body = "", status] = row;
  return [`${request} ${body.replace(/\s+/g, " ")} → ${status}`, ...row];
});

test.each(titled)("%s", async (_title, request, body, status, answer) => {
  const [method = "", path = ""] = request.split(" ");
  const reply = await daemon.fetch(path, { method, ...(body !== undefined && { body }) });
  const text = await reply.text();
  expect({ status: reply.status, text }).toMatchObject({ status });
  if (typeof answer === "string") expect(text).toBe(answer);
  else expect(JSON.parse(text)).toMatchObject(asMatchers(answer));
});

/** The first items of a list, and texts by pattern. */
function asMatchers(answer: unknown): object {
  if (Array.isArray(answer))
    return expect.arrayContaining(answer.map((one) => expect.objectContaining(one)));
  const fields = Object.entries(answer as object).map(([name, value]) => [
    name,
    value instanceof RegExp ? expect.stringMatching(value) : value,
  ]);
  return Object.fromEntries(fields);
}
