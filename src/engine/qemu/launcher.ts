/**
 * The one place that starts QEMU. Whatever confines a machine later (uid, namespaces, limits) changes this file only:
 * all that a machine opens lies in its own folders or is passed as an open descriptor.
 */
import { closeSync, constants, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { within } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { BhattiError, isBhattiError } from "../../errors/bhatti-error.ts";
import { CommandError, type Detached, endProcess, launch } from "../../host/process.ts";
import { deadlineMs } from "./deadlines.ts";
import { Qmp } from "./qmp/qmp.ts";

const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = constants;

/** Written by every machine without a network, and by a start that repairs the disk after a crash (qcow2). */
const meaningless =
  /warning: hub \d+ is not connected to host network|^(ERROR|Repairing|Leaked|Rebuilding) /;

export const qemuBinary = "qemu-system-x86_64";
export const pidFileFlag = "-pidfile";

export interface Launch {
  arguments: string[];
  qmpSocket: string;
  /** QEMU's own messages go here. */
  log: string;
  /** QEMU writes its pid here itself, so that it is known even if we die right after starting it. */
  pidFile: string;
  /** A file that it inherits, open for reading, as descriptor 3. */
  state?: string;
}

export interface Vmm {
  process: Detached;
  qmp: Qmp;
}

/** The descriptor under which QEMU finds `Launch.state`. */
export const stateDescriptor = 3;

export async function launchQemu(plan: Launch, signal: AbortSignal): Promise<Vmm> {
  const process = await start(plan);
  faultPoint("launch.spawned");
  try {
    const qmp = await within(deadlineMs.launch, "Starting QEMU", signal, (until) =>
      Promise.race([Qmp.connect(plan.qmpSocket, until), endedEarly(process, plan)]),
    );
    return { process, qmp };
  } catch (error) {
    // Its end may be noticed first on the line.
    const why = isBhattiError(error, "machine_lost") ? await endOf(process, plan) : error;
    await endProcess(process);
    throw why;
  }
}

async function start(plan: Launch): Promise<Detached> {
  // What an earlier one said must not be taken for its last words.
  const log = openSync(plan.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600);
  const state = plan.state === undefined ? undefined : openSync(plan.state, "r");
  try {
    const command = [qemuBinary, ...plan.arguments, pidFileFlag, plan.pidFile];
    return await launch(command, state === undefined ? [log, log] : [log, log, state]);
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    const words = cause.isMissing
      ? cause.message
      : `${cause.message}: ${await lastWords(plan.log)}`;
    throw new BhattiError(cause.isMissing ? "host_unfit" : "machine_failed", words, { cause });
  } finally {
    closeSync(log);
    if (state !== undefined) closeSync(state);
  }
}

async function endedEarly(process: Detached, plan: Launch): Promise<never> {
  await process.exited;
  throw await endOf(process, plan);
}

async function endOf(process: Detached, { log }: Launch): Promise<BhattiError> {
  const how = await Promise.race([process.exited, Bun.sleep(deadlineMs.lastBreath)]);
  const when = how === undefined ? "" : ` (${how})`;
  return new BhattiError("machine_failed", `QEMU exited at start${when}: ${await lastWords(log)}`);
}

/** The end of QEMU's own messages, on one line. */
export async function lastWords(log: string): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !meaningless.test(line));
  return lines.slice(-5).join("; ").slice(-1000) || "no output";
}

/** Ends a QEMU that is no longer needed: politely, so that it flushes its disks, then by force. */
export async function quitQemu(vmm: Vmm): Promise<void> {
  try {
    await within(deadlineMs.quit, "Waiting for QEMU to exit", undefined, async (signal) => {
      // It may close the line before it answers.
      await vmm.qmp.execute("quit", {}, signal).catch((error) => {
        if (!isBhattiError(error, "machine_lost")) throw error;
      });
      await vmm.process.exited;
    });
  } catch {
    // Whatever it was busy with, it is ended below.
  } finally {
    vmm.qmp.close();
    await endProcess(vmm.process);
  }
}
