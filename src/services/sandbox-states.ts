/** The states of a sandbox and every legal change between them. */
import type { SandboxStatus } from "../store/sandboxes.ts";

export type { SandboxStatus };
export type Thermal = "hot" | "warm" | "cold";

const transitions: Record<SandboxStatus, readonly SandboxStatus[]> = {
  /** Its machine is being made; nobody but its creator may use it. A failed create removes the row. */
  creating: ["running"],
  /** Its machine runs. */
  running: ["stopped", "unknown"],
  /** It has no machine that runs, and its disk is as it was left. */
  stopped: ["running", "unknown"],
  /** Something went wrong that the reason tells; whether its disk is whole is not known. */
  unknown: ["running", "stopped"],
};

export function mayBecome(from: SandboxStatus, to: SandboxStatus): boolean {
  return from === to || transitions[from].includes(to);
}

/** What the host does about it: undefined while that is not known. */
export function thermalOf(status: SandboxStatus): Thermal | undefined {
  switch (status) {
    case "running":
      return "hot";
    case "stopped":
      return "cold";
    case "creating":
    case "unknown":
      return undefined;
  }
}
