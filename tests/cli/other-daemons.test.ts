/** The command line against a daemon that answers as the original does, or omits optional fields. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureBinary, type Outcome, runBinary } from "../support/binary.ts";

const folder = mkdtempSync(join(tmpdir(), "bhatti-other-"));
const local = join(folder, "file");
writeFileSync(local, "content");
const config = join(folder, "config.yaml");
writeFileSync(config, "");

/** The answer of the server to each request; tests replace it. */
let answer: () => Response;
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => answer() });
beforeAll(ensureBinary);
afterAll(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true });
});

async function run(args: string[], reply: () => Response): Promise<Outcome> {
  answer = reply;
  const url = `http://127.0.0.1:${server.port}`;
  const env = { BHATTI_CONFIG: config, BHATTI_URL: url, BHATTI_TOKEN: "bht_x", HOME: folder };
  return await runBinary(args, { env, stdin: "" });
}

const json =
  (body: unknown, status = 200) =>
  () =>
    Response.json(body, { status });

/** As the original writes it: no activity, no shares, and Go's zero values. */
const original = {
  id: "0123456789abcdef",
  name: "dev",
  template_id: "",
  engine_id: "vm-1",
  status: "running",
  ip: "10.0.1.2",
  engine_meta: null,
  created_by: "usr_12345678",
  created_at: "2026-01-02T10:09:24.123456789Z",
  keep_hot: false,
  cpus: 1,
  memory_mb: 512,
  disk_size_mb: 0,
  image: "",
  labels: null,
};

test("sandboxes of the original are listed and shown", async () => {
  const list = await run(["list"], json([{ ...original, urls: null }]));
  expect(list).toMatchObject({ code: 0, stderr: "" });
  expect(list.stdout.split("\n")[1]).toMatch(/^dev +running +- +10\.0\.1\.2$/);
  const wide = await run(["list", "-o", "wide"], json([original]));
  expect(wide.stdout.split("\n")[1]).toMatch(
    /^dev +running +- +10\.0\.1\.2 +1 +512MB +- +minimal +-$/,
  );
  const shown = await run(["inspect", "dev"], json(original));
  expect(shown).toMatchObject({ code: 0, stderr: "" });
  expect(shown.stdout).toMatch(
    /^Name: +dev\nID: +0123456789abcdef\nStatus: +running\nImage: +minimal\n/,
  );
  const raw = await run(["inspect", "dev", "--json"], json(original));
  const { engine_meta: _, labels: __, ...fields } = original;
  expect(JSON.parse(raw.stdout)).toEqual(fields);
  expect(await run(["list"], json(null))).toMatchObject({
    code: 0,
    stdout: "",
    stderr: "No sandboxes\n",
  });
  expect(await run(["list", "--json"], json(null))).toMatchObject({ code: 0, stdout: "[]\n" });
});

test("files and sessions of the original are listed", async () => {
  const entry = { name: "a", size: 5, mode: "0644", is_dir: false, mtime: 1767348564 };
  const directory = { ...entry, name: "b", mode: "0755", is_dir: true };
  const files = await run(["file", "ls", "dev", "/workspace"], json([entry, directory]));
  expect(files.stdout).toBe("-0644          5 a\nd0755          5 b\n");
  const session = { session_id: "s1", argv: "bash", tty: true, running: true, attached: false };
  const sessions = await run(["ps", "dev"], json([{ ...session, created_at: 1767348564 }]));
  expect(sessions.stdout.split("\n")[1]).toMatch(/^s1 +bash +yes +no +- +\d+ days ago$/);
});

test.each<[status: number, body: object, line: string, hint: string]>([
  [
    404,
    { error: "sandbox not found" },
    "404 Not Found: sandbox not found",
    "Check sandbox name: bhatti ls",
  ],
  [
    401,
    { error: "invalid api key" },
    "401 Unauthorized: invalid api key",
    "Check the API key: bhatti setup",
  ],
  [
    500,
    { error: "internal error", request_id: "req_1" },
    "500 Internal Server Error: internal error (req_1)",
    "",
  ],
  [400, { error: "bad", code: null, hint: 7 }, "400 Bad Request: bad", ""],
])("an error %d without a code is printed: %j", async (status, body, line, hint) => {
  for (const args of [
    ["inspect", "dev"],
    ["stop", "dev"],
    ["file", "read", "dev", "/a"],
  ]) {
    const { code, stdout, stderr } = await run(args, json(body, status));
    expect({ code, stdout, first: stderr.split("\n")[0] }).toEqual({
      code: 1,
      stdout: "",
      first: line,
    });
    if (hint !== "") expect(stderr).toContain(hint);
  }
});

const commands = [
  ["create", "--name", "dev"],
  ["create", "--from", "dev"],
  ["edit", "dev", "--keep-hot", "--name", "web", "--ttl", "1h"],
  ["list"],
  ["list", "-o", "wide"],
  ["inspect", "dev"],
  ["stop", "dev"],
  ["start", "dev"],
  ["destroy", "dev", "-y"],
  ["exec", "dev", "true"],
  ["exec", "dev", "-d", "true"],
  ["attach", "dev", "sess-1"],
  ["shell", "dev"],
  ["share", "dev"],
  ["share", "dev", "--revoke"],
  ["ps", "dev", "--all"],
  ["kill", "dev", "sess-1"],
  ["logs", "dev", "sess-1", "-f"],
  ["snapshot", "create", "dev", "--name", "s"],
  ["snapshot", "list"],
  ["snapshot", "resume", "s"],
  ["snapshot", "restore", "s", "dev", "-y"],
  ["snapshot", "delete", "s", "-y"],
  ["file", "ls", "dev", "/a"],
  ["file", "stat", "dev", "/a"],
  ["file", "write", "dev", "/a"],
  ["file", "mkdir", "dev", "/a"],
  ["file", "push", "dev", local, "/a"],
  ["file", "pull", "dev", "/a", join(folder, "pulled")],
  ["file", "watch", "dev", "/a"],
  ["operation", "list"],
  ["operation", "inspect", "op_1"],
  ["operation", "cancel", "op_1"],
  ["operation", "wait", "op_1"],
  ["image", "list"],
  ["version"],
  ["setup", "--url", `http://127.0.0.1:${server.port}`, "--token", "bht_x"],
];

const answers: [string, () => Response][] = [
  ["an empty object", json({})],
  ["null", json(null)],
  ["an empty list", json([])],
  ["a list of empty objects", json([{}, null])],
  ["text", () => new Response("404 page not found\n", { status: 404 })],
  ["half of a JSON text", () => new Response('{"id":')],
  ["an error without anything", json({ error: "broken" }, 500)],
  ["an empty body", () => new Response("")],
];

/** Words of exceptions, and of fields that were not there. */
const exceptions =
  /undefined|NaN|null|TypeError|not an object|not a function|Invalid|Unexpected|JSON Parse|\[object/;

test.each(commands.map((args) => [args.join(" "), args] as const))(
  "%s has words for any answer",
  async (_title, args) => {
    for (const [what, reply] of answers) {
      for (const flags of [[], ["--json"]]) {
        const { code, stdout, stderr } = await run([...args, ...flags], reply);
        const told = stdout + stderr;
        expect({ what, flags, told }).not.toMatchObject({
          told: expect.stringMatching(exceptions),
        });
        expect([0, 1]).toContain(code);
        if (code === 1) expect(stderr).not.toBe("");
      }
    }
  },
);

test("pull takes the local name from the command line, not from the sandbox", async () => {
  const into = join(folder, "into");
  mkdirSync(into);
  const tar = new Bun.Archive({ "ours.txt": "content" });
  const replies = [
    json({ path: "/workspace/\u00002e\u00002e\u00002fvictim", is_dir: false, size: 7 }),
    () => new Response(bytes),
  ];
  const bytes = await tar.bytes();
  const { code } = await run(["file", "pull", "dev", "ours.txt", `${into}/`], () =>
    (replies.shift() ?? json({}))(),
  );
  expect(code).toBe(0);
  expect(readdirSync(into)).toEqual(["ours.txt"]);
});
