/**
 * The host's side of one machine's devices: acquired right before its QEMU starts, released when that has ended. A
 * machine that outlives its daemon keeps them; the next daemon takes them over with the machine.
 */
import { mkdir, rm } from "node:fs/promises";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { NicHost } from "../../network/host-networks.ts";
import type { MachineConfig } from "../machine-config.ts";
import type { CardBackend } from "./command-line.ts";
import type { MachinePaths } from "./paths.ts";

/** Host side of a machine's devices; a machine of the pool has none until it is handed out. */
export type Attachments = Pick<MachineConfig, "nics" | "volumes">;

export const noAttachments: Attachments = { nics: [], volumes: [] };

export interface Backends extends AsyncDisposable {
  readonly card: CardBackend;
  /** Passes the back ends on to their next owner. */
  move(): AsyncDisposableStack;
}

/** Errors: host_unfit for devices that this host cannot have. */
export async function acquireBackends(
  id: string,
  paths: MachinePaths,
  attachments: Attachments,
  nics: NicHost | undefined,
): Promise<Backends> {
  await using scope = ownedBackends(id, paths, nics);
  await mkdir(paths.sockets, { recursive: true, mode: 0o700 });
  const card = nics
    ? { kind: "tap" as const, name: await nics.create(id) }
    : { kind: "none" as const };
  await connectBackends(id, attachments, nics);
  const held = scope.move();
  return {
    card,
    move: () => held.move(),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Connects what a machine has already. Errors: host_unfit. */
export async function connectBackends(
  id: string,
  { nics: [nic, ...more], volumes }: Attachments,
  nics: NicHost | undefined,
): Promise<void> {
  if (volumes.length > 0 || more.length > 0) {
    const kind = volumes.length > 0 ? "volumes" : "a second network card";
    throw new BhattiError("host_unfit", `This engine cannot attach ${kind} to machines yet`);
  }
  if (!nic) return;
  if (!nics) throw new BhattiError("host_unfit", "This host cannot connect network cards");
  await nics.connect(id, nic);
}

/** Those of a machine that runs already. */
export function ownedBackends(
  id: string,
  { sockets }: MachinePaths,
  nics: NicHost | undefined,
): AsyncDisposableStack {
  const scope = new AsyncDisposableStack();
  scope.defer(() => rm(sockets, { recursive: true, force: true }));
  if (nics) scope.defer(() => nics.remove(id));
  return scope;
}
