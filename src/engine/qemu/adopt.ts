/** Takes over a machine that outlived the daemon that started it. */
import { within } from "../../async/deadline.ts";
import { endProcess } from "../../host/process.ts";
import { QemuMachine } from "./machine.ts";
import { type EnginePaths, machinePaths } from "./paths.ts";
import { Qmp } from "./qmp/qmp.ts";
import { runningProcess } from "./record.ts";

/** A host that has just started has much to do. */
const adoptDeadlineMs = 10_000;

/**
 * Undefined when it does not run any more. Throws when its QEMU runs but does not answer: a machine that may be
 * somebody's work is not ended because the host was slow.
 */
export async function adoptMachine(
  engine: EnginePaths,
  id: string,
  signal: AbortSignal,
): Promise<QemuMachine | undefined> {
  const paths = machinePaths(engine, id);
  const process = await runningProcess(paths);
  if (!process) return undefined;
  return await within(adoptDeadlineMs, `Adopting machine ${id}`, signal, async (until) => {
    const qmp = await Qmp.connect(paths.qmp, until);
    try {
      if (await isRunning(qmp, until)) {
        const origin = { kind: "adopted" as const, steps: [] };
        return new QemuMachine({ id, paths, engine, process, qmp, origin });
      }
    } catch (error) {
      qmp.close();
      throw error;
    }
    qmp.close();
    await endProcess(process, until);
    return undefined;
  });
}

/** A guest that shut down while nobody watched has left its QEMU paused. */
async function isRunning(qmp: Qmp, signal: AbortSignal): Promise<boolean> {
  const status = await qmp.execute("query-status", {}, signal);
  return (status as { status?: string }).status === "running";
}
