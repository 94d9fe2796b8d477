/** A guest's device state to and from a file. Its memory is a file already and is left where it is. */
import { createHash } from "node:crypto";
import { open, rm } from "node:fs/promises";
import { abortable, pause } from "../../async/deadline.ts";
import { faultPoint } from "../../async/fault-point.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { type Connection, listenUnix } from "../../host/socket.ts";
import { deadlineMs } from "./deadlines.ts";
import { stateDescriptor } from "./launcher.ts";
import type { Qmp } from "./qmp/qmp.ts";

/** Memory that is a shared file is not part of the state. */
async function ignoreSharedMemory(qmp: Qmp, signal: AbortSignal): Promise<void> {
  const capabilities = [{ capability: "x-ignore-shared", state: true }];
  await qmp.execute("migrate-set-capabilities", { capabilities }, signal);
}

/** Saves the state of a paused guest. `socket` is where QEMU sends it: it may not fork, so it cannot pipe. */
export async function saveState(
  qmp: Qmp,
  path: string,
  socket: string,
  signal: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  await ignoreSharedMemory(qmp, signal);
  const connected = Promise.withResolvers<Connection>();
  await rm(socket, { force: true }); // of a daemon that died while it saved
  const listener = await listenUnix(socket, connected.resolve);
  try {
    await qmp.execute("migrate", { uri: `unix:${socket}` }, signal);
    faultPoint("save-state.asked");
    const connection = await abortable(connected.promise, signal);
    const chunks: Uint8Array[] = [];
    connection.onData((chunk) => chunks.push(chunk));
    await abortable(connection.closed, signal);
    await untilCompleted(qmp, signal);
    faultPoint("save-state.sent");
    const state = Buffer.concat(chunks);
    await writeDurably(path, state);
    return { bytes: state.length, sha256: createHash("sha256").update(state).digest("hex") };
  } catch (error) {
    await cancelMigration(qmp);
    throw error;
  } finally {
    await listener.close();
    await rm(socket, { force: true });
  }
}

/** Until it is over, QEMU does not let the guest go on. */
async function cancelMigration(qmp: Qmp): Promise<void> {
  const signal = AbortSignal.timeout(deadlineMs.cancelMigration);
  try {
    await qmp.execute("migrate_cancel", {}, signal);
    await untilCompleted(qmp, signal);
  } catch {
    // Cancelled, as it was asked to be; if not, the guest's going on says so.
  }
}

/** Loads the state that QEMU inherited as a descriptor; the guest is paused afterwards. */
export async function loadState(qmp: Qmp, signal: AbortSignal): Promise<void> {
  await ignoreSharedMemory(qmp, signal);
  await qmp.execute("migrate-incoming", { uri: `fd:${stateDescriptor}` }, signal);
  await untilCompleted(qmp, signal);
}

async function untilCompleted(qmp: Qmp, signal: AbortSignal): Promise<void> {
  for (let wait = 1; ; wait = Math.min(wait * 2, 20)) {
    const info = (await qmp.execute("query-migrate", {}, signal)) as {
      status?: string;
      "error-desc"?: string;
    };
    if (info.status === "completed") return;
    if (info.status === "failed" || info.status === "cancelled") {
      const why = info["error-desc"] ?? "QEMU gave no reason";
      throw new BhattiError("machine_failed", `Cannot migrate the state of the VM: ${why}`);
    }
    await pause(wait, signal);
  }
}

async function writeDurably(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}
