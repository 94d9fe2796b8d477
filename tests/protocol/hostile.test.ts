/** A guest whose agent is an attacker's: the daemon's memory stays bounded, and other guests are served meanwhile. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Guest } from "../../src/agent/guest.ts";
import { connectGuest } from "../../src/agent/lohar.ts";
import { failureOf } from "../support/failure.ts";
import { generous, RealLohar, run } from "../support/lohar.ts";

setDefaultTimeout(120_000);

const script = join(import.meta.dir, "../support/hostile-guest.ts");
/** Memory that the runtime itself may take, far less than each attack sends. */
const growthBytes = 150_000_000;

let lohar: RealLohar;
let other: Guest;
beforeAll(async () => {
  lohar = await RealLohar.start();
  other = await lohar.connect();
});
afterAll(() => lohar[Symbol.asyncDispose]());

async function attacked(kind: string) {
  const child = Bun.spawn([process.execPath, script, kind], { stdout: "pipe", stdin: "ignore" });
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  const { value = "" } = await lines.getReader().read();
  const options = { signal: generous(), timeoutMs: 60_000 };
  const guest = await connectGuest(value.trim(), options);
  return {
    guest,
    async [Symbol.asyncDispose]() {
      guest.close();
      child.kill("SIGKILL");
      await child.exited;
      await rm(dirname(value.trim()), { recursive: true, force: true });
    },
  };
}

/** Commands in the other guest until `over`; the most memory meanwhile. */
async function servedUntil(over: Promise<unknown>) {
  let isOver = false;
  void over.then(
    () => {
      isOver = true;
    },
    () => {
      isOver = true;
    },
  );
  let [commands, most] = [0, 0];
  do {
    expect((await run(other, ["true"])).exitCode).toBe(0);
    commands += 1;
    most = Math.max(most, process.memoryUsage.rss());
  } while (!isOver);
  return { commands, most };
}

const at = { path: "/d", user: "lohar" } as const;
const file = { ...at, mode: 0o644 };
const command = { argv: ["true"], stdin: false, timeoutMs: 0 };

/** One use of each kind of stream, to its end. */
const uses: Record<string, (guest: Guest) => Promise<unknown>> = {
  exec: async (guest) => Array.fromAsync(await guest.exec(command, generous())),
  log: async (guest) => Array.fromAsync(await guest.readLog({ session: "s" }, generous())),
  write: (guest) => guest.writeFile(file, Buffer.from("x"), generous()),
  read: async (guest) => Array.fromAsync(await guest.files.read(at, {}, generous())),
  list: (guest) => guest.files.list(at, generous()),
  stat: (guest) => guest.files.stat(at, generous()),
  pack: async (guest) => Array.fromAsync(await guest.files.pack(at, generous())),
};

const attacksOnAll = {
  lengths: "A frame was cut off",
  unknown: "frames of unknown types a second",
  replies: "not requested",
  unfinished: "too long",
};

test.each([
  ["names", "list", "The guest's entry"],
  ["content", "read", "more than the 1 bytes that it announced"],
  ["content", "stat", "which has none"],
  ["content", "write", "which has none"],
  ...Object.entries(attacksOnAll).flatMap(([attack, why]) =>
    Object.keys(uses).map((use) => [attack, use, why] as const),
  ),
])(
  "an attack with %s on %s costs the guest its connection, and nobody else anything",
  async (kind, use, why) => {
    await run(other, ["true"]);
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    await using attack = await attacked(kind);
    const failure = failureOf(uses[use]?.(attack.guest) ?? Promise.resolve());
    const { commands, most } = await servedUntil(attack.guest.closed);
    expect(await failure).toMatchObject({ code: "machine_lost" });
    expect((await failure).message).toContain(why);
    expect(commands).toBeGreaterThan(0);
    expect(most - before).toBeLessThan(growthBytes);
  },
);

test("a list of entries without end is cut at its limit while other guests are served", async () => {
  await using attack = await attacked("entries");
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  const listing = attack.guest.files.list({ path: "/d", user: "lohar" }, generous());
  const { most } = await servedUntil(listing);
  const { entries, truncated } = await listing;
  expect(truncated).toBe(true);
  expect(entries.length).toBeLessThan(1000);
  expect(most - before).toBeLessThan(growthBytes);
  await failureOf(attack.guest.ping(AbortSignal.timeout(1)));
});
