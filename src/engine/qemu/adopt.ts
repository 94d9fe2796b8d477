/** Takes over a machine that outlived the daemon that started it. */
import { within } from "../../async/deadline.ts";
import { endProcess } from "../../host/process.ts";
import { QemuMachine } from "./machine.ts";
import { type EnginePaths, machinePaths } from "./paths.ts";
import { Qmp } from "./qmp/qmp.ts";
import { runningProcess } from "./record.ts";

const adoptDeadlineMs = 5_000;

/** Undefined when it does not run any more; what is left of its process is ended then. */
export async function adoptMachine(
  engine: EnginePaths,
  id: string,
  signal: AbortSignal,
): Promise<QemuMachine | undefined> {
  const paths = machinePaths(engine, id);
  const process = await runningProcess(paths);
  if (!process) return undefined;
  let qmp: Qmp | undefined;
  try {
    qmp = await within(adoptDeadlineMs, `Adopting machine ${id}`, signal, (until) =>
      Qmp.connect(paths.qmp, until),
    );
    if (await isRunning(qmp, signal)) {
      const origin = { kind: "adopted" as const, steps: [] };
      return new QemuMachine({ id, paths, engine, process, qmp, origin });
    }
  } catch (error) {
    if (signal.aborted) throw error;
  }
  qmp?.close();
  await endProcess(process);
  return undefined;
}

/** A guest that shut down while nobody watched has left its QEMU paused. */
async function isRunning(qmp: Qmp, signal: AbortSignal): Promise<boolean> {
  const status = await within(adoptDeadlineMs, "Asking QEMU for its state", signal, (until) =>
    qmp.execute("query-status", {}, until),
  );
  return (status as { status?: string }).status === "running";
}
