/** Random requests get no server fault and no undocumented answer. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";

const program = resolve(import.meta.dirname, "../../.tools/schemathesis/bin/st");
let daemon: FakeDaemon;
let folder: string;
let session: string;

beforeAll(async () => {
  if (!existsSync(program)) throw new Error(`${program} is missing: run scripts/setup.sh tests`);
  folder = mkdtempSync(join(tmpdir(), "bhatti-schemathesis-"));
  daemon = await startFakeDaemon({ user: { maxSandboxes: 1000, maxSnapshots: 1000 } });
  for (const name of ["dev", "spare"]) await daemon.create({ name });
  await daemon.call("POST", "/sandboxes/dev/checkpoint", { name: "dev" });
  await daemon.call("POST", "/templates", { name: "dev" });
  await daemon.call("POST", "/sandboxes/dev/files/mkdir", { path: "dir" });
  await daemon.fetch("/sandboxes/dev/files?path=dir/file", { method: "PUT", body: "text\n" });
  const run = { cmd: ["sh", "-c", "echo text; sleep 600"], detach: true };
  const { body } = await daemon.call<{ session_id: string }>("POST", "/sandboxes/dev/exec", run);
  session = body.session_id;
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Things that exist, so that most requests come further than to a 404. */
const settings = () => `
[parameters]
"path.ref" = "dev"
"path.session" = "${session}"
"query.path" = "dir/file"
"query.follow" = "false"

[[operations]]
include-operation-id = "sandbox.destroy"
parameters = { "path.ref" = "spare" }

[[operations]]
include-operation-id = ["file.pull", "file.push"]
parameters = { "query.path" = "dir" }
`;

const checks = [
  // Requests may leave fields unset in ways that their schemas do not show: docs/compatibility.md.
  "negative_data_rejection",
  // Some rules cannot be said in a schema, and a WebSocket is none without its handshake.
  "positive_data_acceptance",
];

test("schemathesis finds no fault and no answer that is not described", async () => {
  const config = join(folder, "schemathesis.toml");
  writeFileSync(config, settings());
  const child = Bun.spawn(
    [program, "--config-file", config, "run", `${daemon.url}/openapi.json`]
      .concat(["--header", `Authorization: Bearer ${daemon.key}`, "--no-color"])
      .concat(["--checks", "all", "--exclude-checks", checks.join()])
      .concat(["--phases", "coverage,fuzzing", "--max-examples", "5", "--continue-on-failure"])
      .concat(["--generation-deterministic"])
      // It does not end by itself.
      .concat(["--exclude-operation-id", "file.watch"]),
    {
      cwd: folder,
      env: {
        ...process.env,
        SCHEMATHESIS_HOOKS: "hooks",
        PYTHONPATH: import.meta.dirname,
        PYTHONDONTWRITEBYTECODE: "1",
      },
      stdout: "pipe",
      stderr: "inherit",
    },
  );
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(output);
  expect(output).toContain("✅ Coverage");
}, 600_000);
