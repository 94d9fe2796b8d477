/** A guest writes records and tells of each once it is on its disk; whatever happens then, what it told of is there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type MachineDaemon, startMachineDaemon } from "../support/machine-daemon.ts";
import { becomes, inGuest, machinePid } from "../support/sandbox-state.ts";
import { until } from "../support/until.ts";

let daemon: MachineDaemon;
beforeAll(async () => {
  daemon = await startMachineDaemon({ config: ["on_shutdown: stop"] });
  const file = `${daemon.dataDir}/writer`;
  await Bun.write(file, writer);
  await daemon.ok(
    ...["create", "--name", "dev", "--memory", "256", "--file", `${file}:/workspace/writer`],
    ...["--idle-warm", "1s", "--idle-cold", "2s"],
  );
  await exec("sudo chmod 755 writer");
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** From number $1 + 1 to number $2: each record with its checksum, and its number once it is durable. */
const writer = `#!/bin/sh
append() { dd of=/workspace/records oflag=append conv=notrunc,fsync 2> /dev/null; }
echo | append
n=$1
while [ $n -lt $2 ]; do
  n=$((n+1))
  record="$n $(head -c 300 /dev/urandom | base64 -w0)"
  echo "$record $(echo "$record" | md5sum | cut -d' ' -f1)" | append && echo $n
done
`;

const exec = (script: string) => inGuest(daemon, "dev", script);
const acknowledged = new Set<number>();
let last = 0;

interface Writing {
  /** Resolves when its client is told no more. */
  over: Promise<void>;
}

/** The writer at work: some of it has been acknowledged. */
async function write(limit = 1_000_000): Promise<Writing> {
  const client = daemon.spawn([
    "exec",
    "dev",
    "--",
    "/workspace/writer",
    String(last),
    String(limit),
  ]);
  const before = acknowledged.size;
  const told = (async () => {
    let rest = "";
    for await (const chunk of client.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) acknowledged.add(Number(line));
    }
    await client.exited;
  })();
  await until("records are written", () => acknowledged.size >= before + 4);
  return { over: told };
}

async function writeSome(): Promise<void> {
  await (await write(last + 6)).over;
}

/** Reads all of it, in a guest in which nobody writes any more. */
async function check(): Promise<void> {
  const text = await exec(
    "killall -q writer; while pidof writer > /dev/null; do sleep 0.1; done; cat /workspace/records",
  );
  const whole = new Set<number>();
  for (const line of text.split("\n")) {
    const [number = "", payload, checksum] = line.split(" ");
    const expected = createHash("md5").update(`${number} ${payload}\n`).digest("hex");
    if (checksum === expected) whole.add(Number(number));
  }
  const lost = [...acknowledged].filter((number) => !whole.has(number));
  expect(lost).toEqual([]);
  last = Math.max(...whole, ...acknowledged);
}

const killMachine = async () => process.kill(await machinePid(daemon, "dev"), "SIGKILL");

async function restartAfterKill(): Promise<void> {
  await daemon.kill("SIGKILL");
  await daemon.restart();
}

const ways: [string, number, () => Promise<unknown>][] = [
  [
    "it is stopped while it writes, and started",
    6,
    async () => {
      const { over } = await write();
      await daemon.ok("stop", "dev");
      await over;
      await daemon.ok("start", "dev");
    },
  ],
  [
    "it becomes cold by itself, and an exec wakes it",
    3,
    async () => {
      await writeSome();
      await becomes(daemon, "dev", { thermal: "cold" });
    },
  ],
  [
    "the daemon is killed while it writes",
    4,
    async () => {
      const { over } = await write();
      await restartAfterKill();
      await over;
    },
  ],
  [
    "the daemon is killed when it is warm",
    2,
    async () => {
      await daemon.ok("edit", "dev", "--idle-cold", "never");
      await writeSome();
      await becomes(daemon, "dev", { thermal: "warm" });
      await restartAfterKill();
      await daemon.ok("edit", "dev", "--idle-cold", "2s");
    },
  ],
  [
    "the daemon is killed when it is cold",
    2,
    async () => {
      await writeSome();
      await becomes(daemon, "dev", { thermal: "cold" });
      await restartAfterKill();
    },
  ],
  [
    "the daemon is killed while it stops",
    3,
    async () => {
      const { over } = await write();
      const stopping = daemon.spawn(["stop", "dev"]);
      await Bun.sleep(Math.random() * 200);
      await restartAfterKill();
      await Promise.all([over, stopping.exited]);
    },
  ],
  [
    "its QEMU is killed while it writes, and it boots from its disk",
    4,
    async () => {
      const { over } = await write();
      await killMachine();
      await over;
      await becomes(daemon, "dev", { status: "unknown" });
    },
  ],
  [
    "the daemon and its QEMU are killed while it writes",
    3,
    async () => {
      const { over } = await write();
      const pid = await machinePid(daemon, "dev");
      await daemon.kill("SIGKILL");
      process.kill(pid, "SIGKILL");
      await over;
      await daemon.restart();
    },
  ],
  [
    "the daemon ends and puts it away while it writes",
    3,
    async () => {
      const { over } = await write();
      await daemon.kill("SIGTERM");
      await over;
      await daemon.restart();
    },
  ],
];

test.each(ways)("nothing is lost when %s (%d times)", async (_, times, happen) => {
  for (let cycle = 0; cycle < times; cycle += 1) {
    await happen();
    await check();
  }
});

const files = (method: string, path: string, query: Record<string, string>, body?: BodyInit) =>
  fetch(`${daemon.url}/sandboxes/dev/files${path}?${new URLSearchParams(query)}`, {
    method,
    headers: { authorization: `Bearer ${daemon.key}` },
    ...(body !== undefined && { body }),
  });
const posted = (path: string, body: object) => files("POST", path, {}, JSON.stringify(body));

test.each<[string, () => Promise<Response>, string, string]>([
  ["a write over a file", () => files("PUT", "", { path: "w/old" }, "new"), "cat w/old", "new"],
  [
    "a write in new directories",
    () => files("PUT", "", { path: "w/a/b/new" }, "new"),
    "cat w/a/b/new",
    "new",
  ],
  ["a new directory", () => posted("/mkdir", { path: "w/made" }), "ls w", "made\nold\n"],
  ["a rename", () => posted("/move", { from: "w/old", to: "w/moved" }), "ls w", "moved\n"],
  ["a removal", () => files("DELETE", "", { path: "w/old" }), "ls w", ""],
])(
  "%s that was acknowledged survives the kill of its QEMU",
  async (_, change, script, expected) => {
    await exec("rm -rf w; mkdir w; echo old > w/old; sync");
    const pid = await machinePid(daemon, "dev");
    const answer = await change();
    process.kill(pid, "SIGKILL");
    expect(answer.ok).toBe(true);
    await becomes(daemon, "dev", { status: "unknown" });
    expect(await exec(script)).toBe(expected);
  },
);
