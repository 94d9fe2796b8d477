/** The inside of a fake machine: disk, memory, and processes including the agent. */
import type { Guest, GuestConfiguration } from "../../agent/guest.ts";
import type { MachineEnd } from "../engine.ts";

export interface FakeGuest {
  /** Called when it ends by itself. */
  onEnd: (end: MachineEnd) => void;
  /** Sets its identity; absent fields are unchanged. */
  configure(identity: GuestConfiguration, signal: AbortSignal): Promise<void>;
  /** Returns the connection to its agent; connects if necessary. */
  connect(signal: AbortSignal): Promise<Guest>;
  /** Closes the connection; its processes keep running. */
  disconnect(): void;
  /** Shuts its processes down. */
  shutdown(signal: AbortSignal): Promise<void>;
  /** Kills its processes; its memory is lost, its disk is kept. */
  kill(): void;
  /** Copies its disk, and optionally its memory, to an unused guest. */
  copyTo(other: FakeGuest, withMemory: boolean): Promise<void>;
  /** Ends its processes and removes its files. */
  remove(): Promise<void>;
}
