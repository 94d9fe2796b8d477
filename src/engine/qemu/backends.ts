/**
 * The host's side of one machine's devices: acquired right before its QEMU starts, released when that has ended. A
 * machine that outlives its daemon keeps them; the next daemon takes them over with the machine.
 */
import { mkdir, rm } from "node:fs/promises";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { MachinePaths } from "./paths.ts";

/** Host side of a machine's devices; a machine of the pool has none until it is handed out. */
export type Attachments = Pick<MachineConfig, "nics" | "volumes">;

export const noAttachments: Attachments = { nics: [], volumes: [] };

/** Errors: host_unfit for unsupported back ends. */
export async function acquireBackends(
  paths: MachinePaths,
  attachments: Attachments,
): Promise<AsyncDisposableStack> {
  checkAttachments(attachments);
  await mkdir(paths.sockets, { recursive: true, mode: 0o700 });
  return ownedBackends(paths);
}

/** Acquires the back ends of a pool machine when it is handed out. */
export function checkAttachments({ nics, volumes }: Attachments): void {
  const [kind] = [...nics.map(() => "network cards"), ...volumes.map(() => "volumes")];
  if (kind === undefined) return;
  throw new BhattiError("host_unfit", `This engine cannot attach ${kind} to machines yet`);
}

/** Returns the back ends of a running machine. */
export function ownedBackends({ sockets }: MachinePaths): AsyncDisposableStack {
  const scope = new AsyncDisposableStack();
  scope.defer(() => rm(sockets, { recursive: true, force: true }));
  return scope;
}
