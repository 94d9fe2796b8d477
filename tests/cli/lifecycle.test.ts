/** stop, start, edit and forks as a person and as a script see them. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import { type CliDaemon, startCliDaemon } from "../support/cli-daemon.ts";
import { until } from "../support/until.ts";

let daemon: CliDaemon;
beforeAll(async () => {
  daemon = await startCliDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

beforeEach(() => daemon.destroyAll());

const quietly = (stdout: string) => ({ code: 0, stderr: "", stdout });
const show = async (ref: string) =>
  JSON.parse(await daemon.ok("inspect", ref, "--json")) as Sandbox;

test("stop and start, as often as one likes", async () => {
  const local = join(daemon.home, "local.txt");
  writeFileSync(local, "kept");
  await daemon.ok("create", "--name", "dev", "--file", `${local}:/workspace/a`);
  const { id } = await show("dev");
  for (const ref of ["dev", id]) {
    expect(await daemon.run(["stop", ref])).toMatchObject(quietly("sandbox/dev stopped\n"));
  }
  expect(await daemon.ok("ls")).toMatch(/^dev +stopped +cold +-$/m);
  const flags: string[][] = [[], ["--force"]];
  for (const more of flags) {
    expect(await daemon.run(["start", "dev", ...more])).toMatchObject(
      quietly("sandbox/dev started\n"),
    );
  }
  expect(await daemon.ok("exec", "dev", "cat", "/workspace/a")).toBe("kept");
  expect(JSON.parse(await daemon.ok("stop", "dev", "--json"))).toMatchObject({
    id,
    status: "stopped",
    thermal: "cold",
  });
  expect(JSON.parse(await daemon.ok("start", "dev", "--json"))).toMatchObject({
    id,
    status: "running",
  });
});

test("exec wakes what is stopped", async () => {
  await daemon.ok("create", "--name", "dev");
  await daemon.ok("stop", "dev");
  expect(await daemon.ok("exec", "dev", "hostname")).toBe("dev\n");
});

test("start says what of it is lost", async () => {
  await daemon.ok("create", "--name", "dev");
  await daemon.run(["exec", "-u", "root", "dev", "--", "sh", "-c", "kill -TERM 1"]);
  await until("it is off", async () => (await show("dev")).status === "stopped");
  expect(await daemon.run(["start", "dev"])).toMatchObject({
    code: 0,
    stdout: "sandbox/dev started\n",
    stderr: "Warning: booted from disk: powered off: the guest shut down\n",
  });
});

test.each(["stop nope", "start nope", "edit nope --keep-hot", "create --from nope"])(
  "%s: what is not there has a hint",
  async (words) => {
    expect(await daemon.run(words.split(" "))).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "404 Not Found: sandbox not found\nCheck sandbox name: bhatti ls\n",
    });
  },
);

test("edit says what it changed, line by line", async () => {
  await daemon.ok("create", "--name", "dev", "--label", "a=1,b=2");
  const times = ["--idle-warm", "5m", "--idle-cold", "never", "--ttl", "2h"];
  const labels = ["--label", "b=3,c=4", "--label-delete", "a", "--label-delete", "x,y"];
  const { code, stdout, stderr } = await daemon.run([
    ...["edit", "dev", "--name", "web", "--keep-hot"],
    ...labels,
    ...times,
  ]);
  const { expires_at, ...sandbox } = await show("web");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toBe(`Updated dev
  Name: web (the hostname inside does not change)
  Keep hot: yes
  Label set: b=3
  Label set: c=4
  Label removed: a
  Label removed: x
  Label removed: y
  Idle warm: 5m
  Idle cold: never
  Expires: ${expires_at}
`);
  expect(sandbox).toMatchObject({
    name: "web",
    keep_hot: true,
    idle_warm_s: 300,
    idle_cold_s: 0,
    labels: { b: "3", c: "4" },
  });
  const back = ["--allow-cold", "--idle-warm", "default", "--idle-cold=default", "--ttl", "0"];
  expect(await daemon.run(["edit", "web", ...back])).toMatchObject(
    quietly(`Updated web
  Keep hot: no
  Idle warm: the daemon's setting
  Idle cold: the daemon's setting
  Expires: never
`),
  );
  const plain = await show("web");
  for (const field of ["idle_warm_s", "idle_cold_s", "expires_at"]) {
    expect(plain).not.toHaveProperty(field);
  }
  expect(JSON.parse(await daemon.ok("edit", "web", "--ttl", "60", "--json"))).toMatchObject({
    name: "web",
    expires_at: expect.any(String),
  });
});

test("edit to a taken name", async () => {
  await daemon.ok("create", "--name", "dev");
  await daemon.ok("create", "--name", "web");
  const { code, stdout, stderr } = await daemon.run(["edit", "dev", "--name", "web"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(
    /^409 Conflict: .*"web".*\nChoose another name, or list sandboxes: bhatti ls\n$/,
  );
});

test("create takes times, and inspect shows them and what comes next", async () => {
  const times = ["--idle-warm", "90", "--idle-cold", "0", "--ttl", "1d"];
  await daemon.ok("create", "--name", "dev", ...times);
  const { activity, expires_at, created_at, id } = await show("dev");
  expect(activity.next?.thermal).toBe("warm");
  const screen = (await daemon.ok("inspect", "dev"))
    .replace(/in (1 min|\d+ s) /, "in SOON ")
    .replace(/\d+ s ago/, "N s ago")
    .replace(/ \(\d+ MB used, \d+ MB free\)/g, "");
  expect(screen).toBe(`Name:       dev
ID:         ${id}
Status:     running
Thermal:    hot (${onScreen(activity.reason)})
Next:       warm in SOON (${onScreen(activity.next?.at ?? "").slice(11)})
Idle warm:  90s
Idle cold:  never
Expires:    in 23 h (${onScreen(expires_at ?? "")})
Image:      minimal
Created:    N s ago (${onScreen(created_at)})
Resources:
  CPUs:       1
  Memory:     1024 MB
  Disk:       300 MB
Network:
  IP:         -
`);
});

const onScreen = (text: string) => text.replace(/\.\d{3}Z/g, "Z");

test("create --from takes what the copies do while they are idle", async () => {
  await daemon.ok("create", "--name", "dev");
  const times = ["--idle-warm", "5m", "--idle-cold", "never", "--ttl", "1d", "--keep-hot"];
  await daemon.ok("create", "--from", "dev", "--name", "copy", ...times);
  expect(await show("copy")).toMatchObject({
    keep_hot: true,
    idle_warm_s: 300,
    idle_cold_s: 0,
    expires_at: expect.any(String),
  });
});

test("create --from forks, one line for each", async () => {
  const local = join(daemon.home, "local.txt");
  writeFileSync(local, "from dev");
  await daemon.ok("create", "--name", "dev", "--file", `${local}:/workspace/a`);
  expect(await daemon.run(["create", "--from", "dev", "--name", "copy"])).toMatchObject(
    quietly("sandbox/copy forked from dev\n"),
  );
  const many = ["--name", "try", "--count", "3", "--label", "kind=fork"];
  expect(await daemon.run(["create", "--from", "dev", ...many])).toMatchObject(
    quietly(
      "sandbox/try-1 forked from dev\nsandbox/try-2 forked from dev\nsandbox/try-3 forked from dev\n",
    ),
  );
  expect((await show("try-2")).labels).toEqual({ kind: "fork" });
  for (const name of ["copy", "try-3"]) {
    expect(await daemon.ok("exec", name, "cat", "/workspace/a")).toBe("from dev");
    expect(await daemon.ok("exec", name, "hostname")).toBe(`${name}\n`);
  }
  const [one] = JSON.parse(await daemon.ok("create", "--from", "dev", "--json")) as Sandbox[];
  expect(one?.status).toBe("running");
  const { code, stderr } = await daemon.run(["create", "--from", "dev", "--name", "copy"]);
  expect(code).toBe(1);
  expect(stderr).toStartWith("409 Conflict: ");
});

test.each<["keep" | "stop", "keep" | "stop", string]>([
  ["keep", "stop", "stop"],
  ["stop", "keep", "keep"],
])("on_shutdown: %s, serve --on-shutdown %s: %s", async (configured, flag, outcome) => {
  const flags = ["--on-shutdown", flag];
  await using own = await startCliDaemon([`on_shutdown: ${configured}`], {}, flags);
  const { code, log } = await own.stop();
  expect(code).toBe(0);
  expect(log).toContain(`"machines":"${outcome}"`);
});
