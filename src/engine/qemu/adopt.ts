/** Takes over a machine that outlived the daemon that started it. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { pause, within } from "../../async/deadline.ts";
import { endProcess } from "../../host/process.ts";
import type { MachineConfig } from "../machine-config.ts";
import { connectBackends, ownedBackends } from "./backends.ts";
import { deadlineMs } from "./deadlines.ts";
import { isOutdated } from "./epoch.ts";
import { QemuMachine } from "./machine.ts";
import { type EnginePaths, type MachinePaths, machinePaths } from "./paths.ts";
import type { PreparedPlatform } from "./platform.ts";
import { Qmp } from "./qmp/qmp.ts";
import { readRecord, runningProcess } from "./record.ts";

const lookAgainMs = 20;

export interface Adoption {
  engine: EnginePaths;
  platform: PreparedPlatform;
  id: string;
  config: MachineConfig;
}

/**
 * Undefined when it does not run any more, was not whole yet, is of an earlier start, or is all in files already: then
 * it is ended. Throws if its QEMU runs but does not answer: a slow host is no reason to kill a user's machine.
 */
export async function adoptMachine(
  { engine, platform, id, config }: Adoption,
  signal: AbortSignal,
): Promise<QemuMachine | undefined> {
  const paths = machinePaths(engine, id);
  const process = await runningProcess(paths);
  if (!process) return await notThere(paths);
  return await within(deadlineMs.adopt, `Adopting VM ${id}`, signal, async (until) => {
    const record = await readRecord(paths);
    if (!record || isOutdated(record, config)) {
      await endProcess(process, until);
      return await notThere(paths);
    }
    const qmp = await Qmp.connect(paths.qmp, until);
    try {
      const condition = conditionOf(await settledStatus(qmp, until));
      const isSaved = condition === "paused" && existsSync(paths.suspension);
      if (condition !== "over" && !isSaved) {
        const { hardware, epoch } = record;
        // One that was started before there were networks has no tap until its next start.
        if (platform.nics?.has(id)) await connectBackends(id, config, platform.nics);
        const parts = { id, paths, engine, hardware, epoch, platform, process, qmp };
        return new QemuMachine({
          ...parts,
          backends: ownedBackends(id, paths, platform.nics),
          origin: { kind: "adopted", steps: [] },
          // The daemon before us may have died between freezing and thawing.
          depth: condition === "paused" ? "paused" : "frozen",
          isStalled: condition === "stalled",
        });
      }
    } catch (error) {
      qmp.close();
      throw error;
    }
    qmp.close();
    await endProcess(process, until);
    return await notThere(paths);
  });
}

/** Removes the sockets of a machine that ended without a daemon. */
async function notThere({ sockets }: MachinePaths): Promise<undefined> {
  await rm(sockets, { recursive: true, force: true });
}

/** Returns QEMU's run state, once a migration that lost its reader has failed. */
async function settledStatus(qmp: Qmp, signal: AbortSignal): Promise<string> {
  for (;;) {
    const { status } = (await qmp.execute("query-status", {}, signal)) as { status: string };
    if (status !== "finish-migrate") return status;
    await pause(lookAgainMs, signal);
  }
}

/** The values are those of RunState in QEMU's QMP reference. */
function conditionOf(status: string): "running" | "stalled" | "paused" | "over" {
  switch (status) {
    case "running":
      return "running";
    case "io-error": // the host's disk was full
      return "stalled";
    case "paused":
    case "postmigrate": // its state was being saved
      return "paused";
    // A guest that shut down without a daemon, or one that was being restored, whose files are unchanged.
    default:
      return "over";
  }
}
