/** The states of a sandbox and every legal change between them. */
import { BhattiError } from "../errors/bhatti-error.ts";
import type { SandboxRecord, SandboxStatus, Thermal } from "../store/sandboxes.ts";

export type { SandboxStatus, Thermal };

/** What its user asked for. What the host does about it is `thermal`: a sandbox that runs may be hot, warm or cold. */
const transitions: Record<SandboxStatus, readonly SandboxStatus[]> = {
  /** Its machine is being made; only the create may use it. A failed create removes the row. */
  creating: ["running"],
  /** Hot: its machine runs. Warm: it is paused. Cold: it is suspended to disk and has no process. Each wakes on use. */
  running: ["stopped", "unknown"],
  /** It was stopped, and is cold. Use wakes it. */
  stopped: ["running", "unknown"],
  /** Something went wrong that the reason tells; use tries to start it again. */
  unknown: ["running", "stopped"],
};

export function mayBecome(from: SandboxStatus, to: SandboxStatus): boolean {
  return from === to || transitions[from].includes(to);
}

/** Errors: sandbox_not_running of one that is its maker's, or on its way out. */
export function checkUsable({ name, status, destroyRequestedAt }: SandboxRecord): void {
  if (status !== "creating" && destroyRequestedAt === null) return;
  const state = status === "creating" ? "still being created" : "being destroyed";
  throw new BhattiError("sandbox_not_running", `Sandbox "${name}" is not running, it is ${state}`);
}
