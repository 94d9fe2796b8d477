/** Every operation during which a daemon may die, and what its user may count on afterwards. */
import { Database } from "bun:sqlite";
import { readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { CrashRig } from "./crash-rig.ts";

export interface CrashOperation {
  name: string;
  /** Of the create of the sandbox. */
  flags?: string[];
  /** Once, after the sandbox was made. */
  setUp?(rig: CrashRig): Promise<void>;
  /** From a hot sandbox to the state that the operation starts from. */
  before?(rig: CrashRig): Promise<void>;
  /** It fails when the daemon dies. */
  run(rig: CrashRig): Promise<unknown>;
  /** Whether its effect is there, by what the user sees; for operations that the API lists. */
  hasEffect?(rig: CrashRig): Promise<boolean>;
  /** Whether the sandbox's processes are to be there afterwards, whenever the daemon died. */
  keepsMemory: boolean;
  /** The operation may take the sandbox, or the lines that were written last, away. */
  mayLose?: "sandbox" | "lines";
  /** Before the sandbox is used again: for one that only its user can bring back. */
  help?(rig: CrashRig): Promise<void>;
  /** What else must hold; leaves nothing behind but the sandbox. */
  after?(rig: CrashRig): Promise<void>;
}

const base = "base";
const makeBase = (rig: CrashRig) => rig.daemon.ok("snapshot", "create", rig.id, "--name", base);
const cool = (rig: CrashRig) => rig.cool();
const stop = async (rig: CrashRig) => void (await rig.daemon.ok("stop", rig.id));
/** Its memory, too: a machine that was lost with its host is stopped as well, for a reason. */
const isStopped = async (rig: CrashRig) => {
  const { status, engine_meta } = await rig.shown();
  return status === "stopped" && engine_meta["reason"] === undefined;
};
const isKnown = async (rig: CrashRig, name: string) =>
  (await rig.sandboxes()).some((one) => one.name === name);
const isKept = async (rig: CrashRig, name: string) =>
  (await rig.snapshots()).some((one) => one.name === name);

/** Those of the names that exist can be used and destroyed. */
async function useAndDestroy(rig: CrashRig, ...names: string[]): Promise<void> {
  for (const name of names) {
    if (!(await isKnown(rig, name))) continue;
    await rig.guest("echo works", name);
    await rig.daemon.ok("destroy", name, "-y");
  }
}

async function resumes(rig: CrashRig, snapshot: string): Promise<void> {
  await rig.daemon.ok("snapshot", "resume", snapshot, "--name", "check");
  const { lines, isAlive } = await rig.memories("check");
  if (!lines.every((line) => rig.lines.includes(line)) || !isAlive) {
    throw new Error(`snapshot "${snapshot}" has ${lines.join(", ")}, its process is ${isAlive}`);
  }
  await rig.daemon.ok("destroy", "check", "-y");
}

async function crashMachine(rig: CrashRig): Promise<void> {
  rig.killMachines();
  await rig.becomes("cold");
}

async function machineFolder(rig: CrashRig): Promise<string> {
  return join(rig.daemon.dataDir, "sandboxes", (await rig.shown()).engine_id);
}

function keepSnapshot(name: string, from: string, type: string, before?: CrashOperation["before"]) {
  const operation: CrashOperation = {
    name: `${name} of a sandbox that is ${from}`,
    ...(before && { before }),
    run: (rig) => rig.daemon.ok("snapshot", "create", rig.id, "--name", "fresh", "--type", type),
    hasEffect: (rig) => isKept(rig, "fresh"),
    keepsMemory: true,
    async after(rig) {
      if (!(await isKept(rig, "fresh"))) return;
      if (type === "full") await resumes(rig, "fresh");
      await rig.daemon.ok("snapshot", "delete", "fresh", "-y");
    },
  };
  return operation;
}

export const operations: CrashOperation[] = [
  {
    name: "create",
    run: (rig) => rig.daemon.ok("create", "--name", "new"),
    hasEffect: (rig) => isKnown(rig, "new"),
    keepsMemory: true,
    after: (rig) => useAndDestroy(rig, "new"),
  },
  {
    name: "destroy",
    run: (rig) => rig.daemon.ok("destroy", rig.id, "-y"),
    keepsMemory: true,
    mayLose: "sandbox",
  },
  {
    name: "cooling to warm",
    async run(rig) {
      await rig.daemon.ok("edit", rig.id, "--idle-warm", "1s");
      await rig.becomes("warm");
    },
    keepsMemory: true,
    after: async (rig) => void (await rig.daemon.ok("edit", rig.id, "--idle-warm", "default")),
  },
  {
    name: "cooling to cold",
    before: cool,
    async run(rig) {
      await rig.daemon.ok("edit", rig.id, "--idle-cold", "1s");
      await rig.becomes("cold");
    },
    keepsMemory: true,
    after: async (rig) => void (await rig.daemon.ok("edit", rig.id, "--idle-cold", "default")),
  },
  {
    name: "waking from warm",
    before: cool,
    run: (rig) => rig.guest("true"),
    keepsMemory: true,
  },
  { name: "stop while hot", run: stop, hasEffect: isStopped, keepsMemory: true },
  {
    name: "stop with layers to merge",
    async before(rig) {
      for (let layer = 0; layer < 5; layer += 1) {
        await rig.daemon.ok(
          "snapshot",
          "create",
          rig.id,
          "--name",
          "layer",
          "--type",
          "filesystem",
        );
        await rig.daemon.ok("snapshot", "delete", "layer", "-y");
      }
    },
    run: stop,
    hasEffect: isStopped,
    keepsMemory: true,
  },
  { name: "stop while warm", before: cool, run: stop, hasEffect: isStopped, keepsMemory: true },
  { name: "waking from cold", before: stop, run: (rig) => rig.guest("true"), keepsMemory: true },
  {
    name: "waking from its disk",
    before: crashMachine,
    run: (rig) => rig.guest("true"),
    keepsMemory: false,
  },
  {
    name: "a start from its disk without a golden snapshot",
    flags: ["--memory", "200"],
    async setUp(rig) {
      // The next daemon keeps only those of the default size ready.
      await rig.daemon.kill("SIGKILL");
      await rig.daemon.restart();
    },
    async before(rig) {
      const golden = join(rig.daemon.dataDir, "golden");
      for (const name of readdirSync(golden)) {
        const record = await Bun.file(join(golden, name, "golden.json")).json();
        if (record.memoryMB === 200) rmSync(join(golden, name, "state"), { force: true });
      }
      await crashMachine(rig);
    },
    run: (rig) => rig.daemon.ok("start", rig.id),
    keepsMemory: false,
  },
  {
    name: "start --force with a damaged state",
    async before(rig) {
      await stop(rig);
      truncateSync(join(await machineFolder(rig), "state"), 1000);
    },
    run: (rig) => rig.daemon.ok("start", rig.id, "--force"),
    keepsMemory: false,
    help: async (rig) => void (await rig.daemon.ok("start", rig.id, "--force")),
  },
  {
    name: "edit",
    run: (rig) => rig.daemon.ok("edit", rig.id, "--name", "other", "--label", "a=b"),
    keepsMemory: true,
    after: async (rig) => void (await rig.daemon.ok("edit", rig.id, "--name", "dev")),
  },
  keepSnapshot("a snapshot", "hot", "full"),
  keepSnapshot("a snapshot", "warm", "full", cool),
  keepSnapshot("a snapshot", "stopped", "full", stop),
  keepSnapshot("a disk's snapshot", "hot", "filesystem"),
  keepSnapshot("a disk's snapshot", "stopped", "filesystem", stop),
  {
    name: "fork",
    run: (rig) => rig.daemon.ok("create", "--from", rig.id, "--name", "child", "--count", "2"),
    hasEffect: async (rig) => (await isKnown(rig, "child-1")) && (await isKnown(rig, "child-2")),
    keepsMemory: true,
    after: (rig) => useAndDestroy(rig, "child-1", "child-2"),
  },
  {
    name: "snapshot resume",
    setUp: async (rig) => void (await makeBase(rig)),
    run: (rig) => rig.daemon.ok("snapshot", "resume", base, "--name", "copy"),
    hasEffect: (rig) => isKnown(rig, "copy"),
    keepsMemory: true,
    async after(rig) {
      await useAndDestroy(rig, "copy");
      await resumes(rig, base);
    },
  },
  {
    name: "snapshot restore",
    setUp: async (rig) => void (await makeBase(rig)),
    run: (rig) => rig.daemon.ok("snapshot", "restore", base, rig.id, "-y"),
    hasEffect: async (rig) => (await rig.shown()).engine_id !== rig.engineId,
    keepsMemory: true,
    mayLose: "lines",
    after: (rig) => resumes(rig, base),
  },
  {
    name: "snapshot delete",
    before: async (rig) => void (await makeBase(rig)),
    run: (rig) => rig.daemon.ok("snapshot", "delete", base, "-y"),
    keepsMemory: true,
    async after(rig) {
      if (!(await isKept(rig, base))) return;
      await resumes(rig, base);
      await rig.daemon.ok("snapshot", "delete", base, "-y");
    },
  },
  {
    name: "the start of a daemon",
    async before(rig) {
      for (const name of ["half-made", "half-gone", "idle"]) {
        await rig.daemon.ok("create", "--name", name);
      }
      await rig.daemon.ok("stop", "idle");
    },
    async run(rig) {
      await rig.daemon.kill("SIGKILL");
      using database = new Database(join(rig.daemon.dataDir, "bhatti.db"));
      const now = new Date().toISOString();
      const set = "UPDATE sandboxes SET";
      database.run(`${set} status = 'creating', engine_id = NULL WHERE name = 'half-made'`);
      database.run(`${set} destroy_requested_at = '${now}' WHERE name = 'half-gone'`);
      await rig.daemon.restart();
    },
    keepsMemory: true,
    async after(rig) {
      if ((await isKnown(rig, "half-made")) || (await isKnown(rig, "half-gone"))) {
        throw new Error("what was cut short is still there");
      }
      await useAndDestroy(rig, "idle");
    },
  },
];
