/** What a hypervisor must do for us. Nothing above `engine/` knows which one answers. */
import type { Guest, GuestConfiguration } from "../agent/guest.ts";
import type { MachineSpec } from "./machine-spec.ts";

export interface Engine {
  readonly features: EngineFeatures;
  /**
   * Makes a machine that runs, with its identity configured and no user code run before that.
   * On failure nothing of it is left. Errors: machine_failed, guest_unresponsive, disk_full, host_unfit, cancelled.
   */
  create(spec: MachineSpec, identity: GuestConfiguration, signal: AbortSignal): Promise<Machine>;
  /** Takes over a machine that outlived an earlier daemon; undefined when it is not running any more. */
  adopt(id: string, signal: AbortSignal): Promise<Machine | undefined>;
  /**
   * Every machine of which anything exists: a process, a socket or a file. Those that this process keeps for later
   * use, and has not handed out yet, are not told.
   */
  list(): Promise<string[]>;
  /** Removes whatever exists of a machine. Idempotent. */
  destroy(id: string): Promise<void>;
  /** Begins background work, such as keeping machines ready. Called once, after recovery. */
  start(): void;
  /** Ends background work and machines nobody has asked for yet; machines that were handed out run on. */
  close(): Promise<void>;
}

export interface EngineFeatures {
  /** Short name for people, such as `qemu 7.2`. */
  name: string;
  accelerator: "kvm" | "tcg" | "none";
  /** Why that accelerator; shown by `version`. */
  acceleratorReason: string;
  /** Whether the hypervisor is a security boundary. */
  isolates: boolean;
}

export interface Machine {
  readonly id: string;
  /** The line to the guest's agent; reconnects by itself while the machine runs. */
  guest(signal: AbortSignal): Promise<Guest>;
  /** Settles once, when the machine has ended by itself or was ended: why, with the console's last lines if it failed. */
  readonly ended: Promise<MachineEnd>;
  /** How it was made, for the log and `--timing`: which path, and what each step took. */
  readonly origin: MachineOrigin;
  /** Shuts the guest down cleanly and ends the process; the disk stays. `ended` settles with `powered_off`. */
  powerOff(signal: AbortSignal): Promise<void>;
  /** Ends the process at once, without asking the guest; the disk stays. `ended` settles with `powered_off`. */
  halt(): Promise<void>;
  destroy(): Promise<void>;
}

export interface MachineEnd {
  reason: "destroyed" | "powered_off" | "crashed";
  detail: string;
}

export interface MachineOrigin {
  kind: "pool" | "restored" | "booted" | "adopted";
  steps: { name: string; milliseconds: number }[];
}
