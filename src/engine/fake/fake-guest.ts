/** The inside of a fake machine: disk, memory, and processes including the agent. */
import type { Guest, GuestConfiguration } from "../../agent/guest.ts";
import type { MachineEnd } from "../engine.ts";

export interface FakeGuest {
  /** Called when it ends by itself. */
  onEnd: (end: MachineEnd) => void;
  /** Sets its identity; absent fields are unchanged. */
  configure(identity: GuestConfiguration, signal: AbortSignal): Promise<void>;
  /** The connection to its agent, made where there is none. */
  connect(signal: AbortSignal): Promise<Guest>;
  /** Ends the connection; its processes run on. */
  disconnect(): void;
  /** Ends its processes in good order. */
  shutdown(signal: AbortSignal): Promise<void>;
  /** Ends its processes at once; its memory is gone, its disk stays. */
  kill(): void;
  /** Gives its disk, and its memory if that is wanted, to one that has not been used yet. */
  copyTo(other: FakeGuest, withMemory: boolean): Promise<void>;
  /** Ends its processes and removes its files. */
  remove(): Promise<void>;
}
