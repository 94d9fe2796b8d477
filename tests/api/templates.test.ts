import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Session } from "../../src/contract/sessions.ts";
import type { ListedTemplate, Template } from "../../src/contract/templates.ts";
import { type FakeDaemon, startFakeDaemon } from "../support/fake-daemon.ts";
import { until } from "../support/until.ts";

async function createTemplate(daemon: FakeDaemon, request: object): Promise<Template> {
  const { status, body } = await daemon.call<Template>("POST", "/templates", request);
  if (status !== 201) throw new Error(`template: ${status} ${JSON.stringify(body)}`);
  return body;
}

test("a template is created, shown, listed and deleted", async () => {
  await using daemon = await startFakeDaemon();
  const request = {
    name: "web",
    image: "tiny",
    cpus: 2,
    memory_mb: 256,
    disk_size_mb: 512,
    env: { A: "1" },
    init: "echo hi",
    labels: { team: "core" },
    keep_hot: true,
  };
  const created = await daemon.call<Template>("POST", "/templates", {
    ...request,
    engine: "firecracker",
    secrets: [],
    mounts: [],
    userdata: "",
  });
  expect(created.status).toBe(201);
  expect(created.body).toEqual({
    ...request,
    id: expect.stringMatching(/^tpl_[0-9a-f]{8}$/),
    engine: "fake",
    secrets: [],
    mounts: [],
    created_at: expect.stringMatching(/^\d{4}-.*Z$/),
  });
  const { id } = created.body;
  for (const ref of ["web", id]) {
    expect((await daemon.call<Template>("GET", `/templates/${ref}`)).body).toEqual(created.body);
  }
  const { env: _, init: __, ...listed } = created.body;
  expect((await daemon.call<ListedTemplate[]>("GET", "/templates")).body).toEqual([listed]);

  const deleted = await daemon.call<object>("DELETE", "/templates/web");
  expect(deleted.status).toBe(200);
  expect(deleted.body).toEqual({ status: "deleted" });
  expect((await daemon.call<Template[]>("GET", "/templates")).body).toEqual([]);
  for (const type of ["template.created", "template.deleted"]) {
    const [event] = await daemon.events(type);
    expect(JSON.parse(event?.meta ?? "")).toEqual({ template: id, name: "web" });
  }
  await createTemplate(daemon, { name: "web" });
  expect((await daemon.call("DELETE", `/templates/${id}`)).status).toBe(404);
});

test("what a template does not say is the default", async () => {
  await using daemon = await startFakeDaemon();
  expect(await createTemplate(daemon, { name: "bare", image: "", cpus: 0 })).toMatchObject({
    image: "",
    cpus: 1,
    memory_mb: 1024,
    disk_size_mb: 0,
    env: {},
    init: "",
    labels: {},
    keep_hot: false,
  });
  expect(await daemon.create({ template_id: "bare" })).toMatchObject({
    image: "tiny",
    cpus: 1,
    memory_mb: 1024,
    disk_size_mb: 64,
    keep_hot: false,
  });
});

test.each([
  [{}, "name: is required"],
  [{ name: "-x" }, /^name: must start with a letter or digit, followed by/],
  [{ name: "x", cpus: 65 }, "cpus: must be between 1 and 64 (got 65)"],
  [
    { name: "x", memory_mb: 64 },
    "memory_mb: must be at least 128, the minimum to boot a guest (got 64)",
  ],
  [{ name: "x", env: { "1A": "x" } }, /^env\.1A: must be letters/],
  [{ name: "x", labels: { "bhatti.sh/x": "y" } }, /^labels\.bhatti\.sh\/x: must not start with/],
  [{ name: "x", engine: 7 }, "engine: must be a string (got 7)"],
  [{ name: "x", files: [] }, "files: unknown field"],
  [{ name: "x", template_id: "y" }, "template_id: unknown field"],
  [
    { name: "x", secrets: ["KEY"] },
    "secrets: must be empty: secrets are planned for version 0.5.0",
  ],
  [
    { name: "x", mounts: [{ volume_name: "v", target: "/v" }] },
    "mounts: must be empty: volumes are planned for version 0.4.0",
  ],
  [{ name: "x", userdata: "password" }, "userdata: must be empty: use init for a start-up script"],
])("the template %j is refused", async (request, message) => {
  await using daemon = await startFakeDaemon();
  const { status, body } = await daemon.call("POST", "/templates", request);
  expect(status).toBe(400);
  expect(body.code).toBe("bad_request");
  if (typeof message === "string") expect(body.error).toBe(message);
  else expect(body.error).toMatch(message);
  expect((await daemon.call<Template[]>("GET", "/templates")).body).toEqual([]);
});

test("a taken name is refused, of many at once all but one", async () => {
  await using daemon = await startFakeDaemon();
  const create = () => daemon.call("POST", "/templates", { name: "web" });
  const replies = await Promise.all([create(), create(), create()]);
  expect(replies.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  expect((await create()).body).toMatchObject({
    code: "template_exists",
    error: 'Template "web" already exists',
  });
});

test("another user's template is as good as none", async () => {
  await using daemon = await startFakeDaemon();
  const template = await createTemplate(daemon, { name: "web" });
  const { key } = daemon.operator.users.create({ name: "bob" });
  expect((await daemon.call<unknown>("GET", "/templates", undefined, key)).body).toEqual([]);
  for (const ref of ["web", template.id]) {
    const replies = [
      await daemon.call("GET", `/templates/${ref}`, undefined, key),
      await daemon.call("DELETE", `/templates/${ref}`, undefined, key),
      await daemon.call("POST", "/sandboxes", { template_id: ref }, key),
    ];
    for (const { status, body } of replies) {
      expect(status).toBe(404);
      expect(body).toMatchObject({
        code: "template_not_found",
        error: `Template "${ref}" not found`,
      });
    }
  }
  expect((await daemon.call("POST", "/templates", { name: "web" }, key)).status).toBe(201);
  expect((await daemon.call("GET", "/templates/web")).body).toMatchObject({ id: template.id });
});

test("a sandbox has what its template says", async () => {
  await using daemon = await startFakeDaemon();
  daemon.addImage("big", 512);
  const template = await createTemplate(daemon, {
    name: "web",
    image: "big",
    cpus: 2,
    memory_mb: 256,
    disk_size_mb: 1024,
    env: { A: "1" },
    init: "echo hi > greeting",
    labels: { team: "core" },
    keep_hot: true,
  });
  const sandbox = await daemon.create({ template_id: template.id });
  expect(sandbox.name).toMatch(/^web-[0-9a-f]{6}$/);
  expect(sandbox).toMatchObject({
    template_id: template.id,
    image: "big",
    cpus: 2,
    memory_mb: 256,
    disk_size_mb: 1024,
    labels: { team: "core" },
    keep_hot: true,
  });
  await until("the init script has run", () => existsSync(daemon.onDisk("workspace/greeting")));
});

test("what the request says itself wins, key by key", async () => {
  await using daemon = await startFakeDaemon();
  const template = await createTemplate(daemon, {
    name: "web",
    image: "not-there",
    cpus: 4,
    memory_mb: 256,
    disk_size_mb: 1024,
    env: { A: "template", B: "template" },
    init: "echo template",
    labels: { team: "core", tier: "1" },
    keep_hot: true,
  });
  const sandbox = await daemon.create({
    name: "dev",
    template_id: "web",
    image: "tiny",
    cpus: 1,
    memory_mb: 512,
    disk_size_mb: 128,
    env: { B: "request", C: "request" },
    init: "echo request",
    labels: { tier: "2", x: "y" },
  });
  expect(sandbox).toMatchObject({
    name: "dev",
    template_id: template.id,
    image: "tiny",
    cpus: 1,
    memory_mb: 512,
    disk_size_mb: 128,
    keep_hot: true,
  });
  expect(sandbox.labels).toEqual({ team: "core", tier: "2", x: "y" });
  const env = await daemon.call<{ stdout: string }>("POST", "/sandboxes/dev/exec", {
    cmd: ["printenv", "A", "B", "C"],
  });
  expect(env.body.stdout).toBe("template\nrequest\nrequest\n");
  const inits = await daemon.call<Session[]>("GET", "/sandboxes/dev/sessions?all=true");
  expect(inits.body.map(({ command }) => command.at(-1))).toEqual(["echo request"]);
});

test("limits are asked about what comes of request and template", async () => {
  await using daemon = await startFakeDaemon({ user: { maxCpus: 2, maxMemoryMB: 1024 } });
  await createTemplate(daemon, { name: "huge", cpus: 8, memory_mb: 8192 });
  const create = (request: object) =>
    daemon.call("POST", "/sandboxes", { template_id: "huge", ...request });
  expect((await create({})).body).toMatchObject({
    code: "quota_exceeded",
    error: "cpus: 8 exceeds your limit of 2",
  });
  expect((await create({ cpus: 2 })).body.error).toBe("memory_mb: 8192 exceeds your limit of 1024");
  expect((await create({ cpus: 2, memory_mb: 1024 })).status).toBe(201);

  const labels = (prefix: string) =>
    Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`${prefix}${i}`, "v"]));
  await createTemplate(daemon, { name: "labelled", labels: labels("a") });
  const many = await daemon.call("POST", "/sandboxes", {
    template_id: "labelled",
    labels: labels("b"),
  });
  expect(many.status).toBe(400);
  expect(many.body.error).toBe("labels: must be at most 16 labels in total (got 20)");
});

test("an unknown template is 404, also when the sandbox is there already", async () => {
  await using daemon = await startFakeDaemon();
  await daemon.create({ name: "dev", template_id: "" });
  const request = { name: "dev", template_id: "nope" };
  const { status, body } = await daemon.call("POST", "/sandboxes", request);
  expect(status).toBe(404);
  expect(body).toMatchObject({
    code: "template_not_found",
    error: 'Template "nope" not found',
  });
});

test("a name that is made up is a name, however long the template's is", async () => {
  await using daemon = await startFakeDaemon();
  const name = "t".repeat(63);
  await createTemplate(daemon, { name });
  const sandbox = await daemon.create({ template_id: name });
  expect(sandbox.name).toMatch(/^t{56}-[0-9a-f]{6}$/);
});

test("a sandbox does not notice that its template goes", async () => {
  await using daemon = await startFakeDaemon();
  const template = await createTemplate(daemon, { name: "web", labels: { team: "core" } });
  const sandbox = await daemon.create({ name: "dev", template_id: "web" });
  await daemon.call("DELETE", "/templates/web");
  await daemon.restart();
  const { body } = await daemon.call<Sandbox>("GET", "/sandboxes/dev");
  const { activity: _, ...rest } = sandbox;
  expect(body).toMatchObject(rest);
  expect(body.template_id).toBe(template.id);
});

test("a user can be deleted with templates, which go too", async () => {
  await using daemon = await startFakeDaemon();
  const { key } = daemon.operator.users.create({ name: "bob" });
  const created = await daemon.call<Template>("POST", "/templates", { name: "web" }, key);
  expect(created.status).toBe(201);
  daemon.operator.users.delete("bob");
  const again = daemon.operator.users.create({ name: "bob" });
  const list = await daemon.call<Template[]>("GET", "/templates", undefined, again.key);
  expect(list.body).toEqual([]);
});
