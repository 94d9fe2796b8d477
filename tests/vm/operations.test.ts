/** Operations on real machines: cancelled anywhere, they leave what there was before. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Operation } from "../../src/contract/operations.ts";
import { defaultMemoryMB, type Sandbox } from "../../src/contract/sandboxes.ts";
import { ensureBinary } from "../support/binary.ts";
import { contradictions } from "../support/host-state.ts";
import { footprint } from "../support/leaks.ts";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { until } from "../support/until.ts";

const minutes = 60_000;

let daemon: MachineDaemon;
beforeAll(async () => {
  await ensureBinary();
  // Other tests' would have the sizes that are to boot here.
  daemon = await startMachineDaemon({ golden: { copiesOf: [defaultMemoryMB] } });
}, 5 * minutes);
afterAll(() => daemon[Symbol.asyncDispose](), minutes);

async function api<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${daemon.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${daemon.key}`, prefer: "respond-async" },
    ...(body && { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
}

const nothing = { processes: [], sockets: [], files: [], rows: 0 };

test(
  "a create that is cancelled while its guest boots leaves nothing behind",
  async () => {
    // No golden snapshot has this size: the machine boots.
    const request = { name: "new", memory_mb: 233 };
    const { id } = await api<Operation>("POST", "/sandboxes", request);
    await until("a guest boots", () => daemon.log().includes('"memory_mb":233'));
    const cancelled = await daemon.ok("operation", "cancel", id);
    expect(cancelled).toBe(`operation/${id} cancelled\n`);
    expect(await daemon.json<Sandbox[]>("list")).toEqual([]);
    expect(await footprint(daemon)).toEqual(nothing);
    await daemon.ok("create", "--name", "new", "--memory", "233");
    expect(await daemon.ok("exec", "new", "--", "echo", "works")).toBe("works\n");
    await daemon.ok("destroy", "new", "-y");
  },
  10 * minutes,
);

test(
  "a create that is cancelled at any moment leaves a whole sandbox or nothing",
  async () => {
    for (const ms of [0, 20, 60, 120, 250, 500]) {
      const { id } = await api<Operation>("POST", "/sandboxes", { name: "new" });
      await Bun.sleep(ms);
      await daemon.run(["operation", "cancel", id]);
      const { state } = await api<Operation>("GET", `/operations/${id}?wait=60`);
      const names = (await daemon.json<Sandbox[]>("list")).map(({ name }) => name);
      expect({ state, names }).toEqual(
        state === "succeeded" ? { state, names: ["new"] } : { state: "cancelled", names: [] },
      );
      if (state === "succeeded") {
        expect(await daemon.ok("exec", "new", "--", "echo", "works")).toBe("works\n");
        await daemon.ok("destroy", "new", "-y");
      }
      expect(await footprint(daemon)).toEqual(nothing);
    }
  },
  10 * minutes,
);

const destroyChildren = async () => {
  for (const name of ["child-1", "child-2"]) await daemon.ok("destroy", name, "-y");
};

const nothingToUndo = async () => {};

test.each<[string, path: string, body: object | undefined, undo: () => Promise<unknown>]>([
  ["stop", "stop", undefined, nothingToUndo],
  [
    "snapshot",
    "checkpoint",
    { name: "ready" },
    () => daemon.ok("snapshot", "delete", "ready", "-y"),
  ],
  ["fork", "fork", { name: "child", count: 2 }, destroyChildren],
])(
  "a %s that is cancelled leaves the sandbox as it was",
  async (_, path, body, undo) => {
    await daemon.ok("create", "--name", "dev");
    const begin = "echo kept > /workspace/kept; sleep 4711 > /dev/null 2>&1 & echo $!";
    const pid = (await daemon.ok("exec", "dev", "--", "sh", "-c", begin)).trim();
    const look = `cat /workspace/kept; grep -q 4711 /proc/${pid}/cmdline && echo alive`;
    for (const ms of [0, 30, 100, 200]) {
      const { id } = await api<Operation>("POST", `/sandboxes/dev/${path}`, body);
      await Bun.sleep(ms);
      await daemon.run(["operation", "cancel", id]);
      const { state } = await api<Operation>("GET", `/operations/${id}?wait=60`);
      expect(["succeeded", "cancelled"]).toContain(state);
      await until("rows, processes and files agree", () => contradictions(daemon).length === 0);
      if (state === "succeeded") await undo();
      expect(await daemon.ok("exec", "dev", "--", "sh", "-c", look)).toBe("kept\nalive\n");
    }
    await daemon.ok("destroy", "dev", "-y");
    expect(await footprint(daemon)).toEqual(nothing);
  },
  10 * minutes,
);

test(
  "a client that is killed cancels its create, but not its stop",
  async () => {
    await daemon.ok("create", "--name", "left");
    const isRunning = async (target: string, kind: string) =>
      (await api<Operation[]>("GET", `/operations?target=${target}&kind=${kind}`)).length > 0;
    const abandon = async (words: string[], target: string, kind: string) => {
      const client = daemon.spawn(words);
      await until(`the ${kind} runs`, () => isRunning(target, kind));
      client.kill("SIGKILL");
      await client.exited;
      const [operation] = await api<Operation[]>(
        "GET",
        `/operations?target=${target}&kind=${kind}`,
      );
      return await api<Operation>("GET", `/operations/${operation?.id}?wait=60`);
    };
    // No golden snapshot has this size: the machine boots for long enough.
    const create = ["create", "--name", "abandoned", "--memory", "247"];
    expect(await abandon(create, "abandoned", "sandbox.create")).toMatchObject({
      state: "cancelled",
      error: { message: 'Creating sandbox "abandoned" was cancelled: the client disconnected' },
    });
    expect(await abandon(["stop", "left"], "left", "sandbox.stop")).toMatchObject({
      state: "succeeded",
    });
    expect(await daemon.json<Sandbox[]>("list")).toMatchObject([
      { name: "left", status: "stopped" },
    ]);
    await daemon.ok("destroy", "left", "-y");
    expect(await footprint(daemon)).toEqual(nothing);
  },
  10 * minutes,
);
