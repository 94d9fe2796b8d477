/** What a hypervisor must do for us. Nothing above `engine/` knows which one answers. */
import type { Guest } from "../agent/guest.ts";
import type { MachineConfig } from "./machine-config.ts";
import type { Hardware, RootImage } from "./machine-spec.ts";

export interface Engine {
  readonly features: EngineFeatures;
  /**
   * Makes a machine that runs, with its identity configured and no user code run before that.
   * On failure nothing of it is left. Errors: machine_failed, guest_unresponsive, disk_full, host_unfit, cancelled.
   */
  create(root: RootImage, config: MachineConfig, signal: AbortSignal): Promise<Machine>;
  /** Returns the state of a machine that has not been adopted. */
  stateOf(id: string): Promise<MachineState>;
  /**
   * Brings a suspended machine back, paused: `unpause` lets it run. Until then it can be tried again. Errors:
   * snapshot_damaged, snapshot_incompatible also for a saved state of an earlier start than the last, machine_failed.
   */
  resume(id: string, config: MachineConfig, signal: AbortSignal): Promise<Machine>;
  /**
   * Starts a machine that has no process from its disk alone. What was saved of its memory is gone then. On failure
   * its disk is as it was. Errors: machine_failed when files of the disk are gone.
   */
  boot(id: string, config: MachineConfig, signal: AbortSignal): Promise<Machine>;
  /**
   * Keeps what a machine is at this moment under the name `snapshot`, durably. A machine that runs is paused while its
   * memory is copied, and goes on; if it fails it goes on as well. Errors: as `pause`; no_saved_state when a machine
   * without a process has only its disk; snapshot_damaged when what was saved of it is not what it was;
   * too_many_layers; disk_full.
   */
  capture(
    id: string,
    hardware: Hardware,
    snapshot: string,
    kind: SnapshotKind,
    signal: AbortSignal,
  ): Promise<SnapshotFacts>;
  /**
   * Makes a machine from a snapshot, as often as one likes; otherwise as `create`. A memory that cannot be used here is
   * left out, and `origin.note` says why.
   */
  clone(snapshot: string, config: MachineConfig, signal: AbortSignal): Promise<Machine>;
  /** Every snapshot of which anything exists. */
  snapshots(): Promise<Listed[]>;
  /** Removes whatever exists of a snapshot. Machines that were made from it stay. Idempotent. */
  removeSnapshot(snapshot: string): Promise<void>;
  /**
   * Takes over a machine that outlived an earlier daemon; undefined when it is not running any more. One of an earlier
   * start than the last is ended.
   */
  adopt(id: string, config: MachineConfig, signal: AbortSignal): Promise<Machine | undefined>;
  /**
   * Every machine of which anything exists, without those that this process keeps ready and has not handed out yet.
   */
  list(): Promise<Listed[]>;
  /** Removes whatever exists of a machine. Idempotent. */
  destroy(id: string): Promise<void>;
  /** Begins background work, such as keeping machines ready. Called once, after recovery. */
  start(): void;
  /** Ends background work and pool machines; machines that were handed out keep running. */
  close(): Promise<void>;
}

/** Files of a machine or a snapshot. */
export interface Listed {
  id: string;
  /** Whether its owner file carries this host's id: recovery removes nothing else. */
  isOwn: boolean;
}

/** `full`: memory, processes and disk; `filesystem`: the disk alone. */
export type SnapshotKind = "full" | "filesystem";

export interface SnapshotFacts {
  kind: SnapshotKind;
  /** What its files take on the disk, the image not counted; layers that others share are. */
  bytes: number;
  /** How long the machine was paused for it. */
  pausedMs: number;
}

/**
 * `running`: a process after all, which `adopt` may take over; `suspended`: memory and disk; `off`: a disk to boot
 * from; `gone`: nothing.
 */
export type MachineState = "running" | "suspended" | "off" | "gone";

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
  /** Settles once, when the machine has ended, by itself or not: why, with the console's last lines if it failed. */
  readonly ended: Promise<MachineEnd>;
  /** The start that it runs, see `MachineConfig.epoch`. */
  readonly epoch: number;
  /** How it was made, for the log and `--timing`: which path, and what each step took. */
  readonly origin: MachineOrigin;
  /** Whether its processors run and its user processes with them. */
  readonly isAwake: boolean;
  /** Whether its processors stand still. */
  readonly isPaused: boolean;
  /** Whether it is awake but paused until the host's disk has room. */
  readonly isStalled: boolean;
  /** Called when the machine is paused because the host's disk is full, and when it runs again. */
  onStall: (isStalled: boolean) => void;
  /**
   * Syncs its disk, freezes its user processes and stops its processors. On failure it runs on. Errors:
   * guest_unresponsive or timeout when the agent does not answer: without it nothing may be stopped.
   */
  pause(signal: AbortSignal): Promise<void>;
  /** Lets it run on: clock and randomness are set before any user process runs. May be tried again when it failed. */
  unpause(signal: AbortSignal): Promise<void>;
  /**
   * Keeps its memory, devices and disk in files and ends its process, which happens only when all is durable. On
   * failure it is as it was. Errors: as `pause`, and disk_full.
   */
  suspend(signal: AbortSignal): Promise<void>;
  /** Shuts the guest down cleanly and ends the process; the disk stays. `ended` settles with `powered_off`. */
  powerOff(signal: AbortSignal): Promise<void>;
  /** Ends the process at once, without asking the guest; the disk stays. `ended` settles with `powered_off`. */
  halt(): Promise<void>;
  destroy(): Promise<void>;
}

export interface MachineEnd {
  /** Of a machine that is suspended all is kept, and `resume` brings it back. */
  reason: "destroyed" | "powered_off" | "suspended" | "crashed";
  /** One line, shown to the user. */
  detail: string;
  /** The last console output, for the log. */
  console?: string;
}

export interface MachineOrigin {
  kind: "pool" | "restored" | "booted" | "adopted" | "resumed";
  steps: { name: string; milliseconds: number }[];
  /** What was not as it should have been. */
  note?: string;
}
