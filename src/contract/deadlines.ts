/**
 * How long work may take: its steps, the operations made of them, and how long a client waits for them. The client's
 * patience exceeds the daemon's deadline, and that exceeds the sum of the steps, so that an error always comes from the
 * place that knows the reason.
 */

export type OperationKind =
  | "sandbox.create"
  | "sandbox.fork"
  | "sandbox.stop"
  | "snapshot.create"
  | "snapshot.resume"
  | "snapshot.restore"
  | "image.build";

/** What the duration of an operation depends on. */
export interface OperationSize {
  memoryMB: number;
  /** Machines made at once. */
  count?: number;
}

/** Memory on its way to a disk that four machines write to at once, 10 MB/s each. */
const msPerMB = 100;
/** Hosts with larger machines have faster disks. */
const slowestMB = 4096;
const atOnce = 4;

const transferMs = (megabytes: number) => msPerMB * Math.min(megabytes, slowestMB);

export const stepMs = {
  /** A machine from an image, by the slowest of all ways: two golden snapshots fail, and so does the copy of the third. */
  make: 480_000,
  /** Memory, device state and disk of a running machine, to its own files. */
  suspend: (memoryMB: number) => 90_000 + transferMs(memoryMB),
  /** The same to other files: the guest's own writes come first. */
  capture: (memoryMB: number) => 90_000 + 2 * transferMs(memoryMB),
  /** Machines from a snapshot, or from its disk alone when its memory cannot be used. */
  clone: (memoryMB: number, count = 1) =>
    240_000 + transferMs(memoryMB * Math.ceil(count / atOnce)),
  /** A machine's process and files. */
  destroy: 60_000,
  /** After an abort, until the next job of the sandbox goes ahead. */
  undo: 15_000,
} as const;

/** From the request to the end: the longest other job of the sandbox may come first. */
export const operationMs: Record<OperationKind, (size: OperationSize) => number> = {
  "sandbox.create": () => stepMs.make + stepMs.undo,
  "sandbox.fork": ({ memoryMB, count }) =>
    2 * stepMs.capture(memoryMB) + stepMs.clone(memoryMB, count) + stepMs.destroy + 2 * stepMs.undo,
  "sandbox.stop": ({ memoryMB }) =>
    stepMs.capture(memoryMB) + stepMs.suspend(memoryMB) + 2 * stepMs.undo,
  "snapshot.create": ({ memoryMB }) => 2 * stepMs.capture(memoryMB) + 2 * stepMs.undo,
  "snapshot.resume": ({ memoryMB }) => stepMs.clone(memoryMB) + stepMs.undo,
  "snapshot.restore": ({ memoryMB }) =>
    stepMs.capture(memoryMB) + stepMs.clone(memoryMB) + stepMs.destroy + 2 * stepMs.undo,
  "image.build": () => 14_400_000,
};
