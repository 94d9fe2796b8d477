/**
 * How long work may take, in milliseconds: its steps, the operations that consist of them, and how long a client waits.
 * The client's patience exceeds the daemon's deadline, and that exceeds the sum of the steps, so that an error comes from
 * the place that knows the reason. tests/deadlines.test.ts checks it.
 */
import { defaultExecTimeoutSeconds } from "./exec-limits.ts";
import { maximumForks } from "./limits.ts";
import type { OperationKind } from "./operation-kinds.ts";
import type { EndpointId } from "./paths.ts";

/** The values that determine the duration of an operation. */
export interface OperationSize {
  memoryMB: number;
  /** Machines made at once. */
  count?: number;
}

/** Memory on its way to a disk that four machines write to at once, 10 MB/s each. */
const msPerMB = 100;
const atOnce = 4;
/** More memory takes no longer: hosts with larger machines have faster disks. */
const slowestMB = 4096;

const transferMs = (megabytes: number) => msPerMB * Math.min(megabytes, slowestMB);

export const stepMs = {
  /** A machine from an image, by the slowest path. */
  make: 540_000,
  /** A machine from its own disk. */
  boot: 220_000,
  /** A suspended machine from its saved state, until its processes run. */
  resume: 90_000,
  /** The same, or a boot when the state cannot be used. */
  wake: 320_000,
  /** The same, when the machine that runs has to be ended first. */
  start: 340_000,
  /** Memory, device state and disk of a running machine, to its own files. */
  suspend: (memoryMB: number) => 90_000 + transferMs(memoryMB),
  /** The same, to other files. */
  capture: (memoryMB: number) => 90_000 + 2 * transferMs(memoryMB),
  /** Machines from a snapshot, or from its disk alone when its memory cannot be used. */
  clone: (memoryMB: number, count = 1) =>
    240_000 + transferMs(memoryMB * Math.ceil(count / atOnce)),
  /** A machine's process and files. */
  destroy: 60_000,
  /** A machine that keeps running without the daemon that started it. */
  adopt: 15_000,
  /** After an abort, until the next job of the sandbox goes ahead. */
  undo: 15_000,
  /** A guest's answer to a request that it can serve at once. */
  begin: 20_000,
  brief: 30_000,
  /** A guest's work on a directory tree. */
  tree: 600_000,
  /** After a command's own timeout, until its guest has killed it. */
  kill: 15_000,
  /** A cancelled operation's end, before its state is the answer. */
  cancel: 30_000,
} as const;

const restoreMs = (memoryMB: number) => stepMs.clone(memoryMB) + stepMs.destroy;

/** Until a sandbox is free: its longest job, and the undo of it. */
export function queueMs(memoryMB: number): number {
  const jobs = [
    stepMs.make,
    stepMs.clone(memoryMB, maximumForks),
    stepMs.start,
    stepMs.wake,
    stepMs.suspend(memoryMB),
    stepMs.capture(memoryMB),
    restoreMs(memoryMB),
    stepMs.destroy,
  ];
  return Math.max(...jobs) + stepMs.undo;
}

/** Until a sandbox can be used, after all of its pending work. */
export function useMs(memoryMB: number): number {
  return queueMs(memoryMB) + stepMs.wake;
}

/** From the request to the end, with the wait in the sandbox's queue. */
export const operationMs: Record<OperationKind, (size: OperationSize) => number> = {
  "sandbox.create": () => stepMs.make,
  "sandbox.fork": ({ memoryMB, count }) =>
    queueMs(memoryMB) +
    stepMs.capture(memoryMB) +
    stepMs.clone(memoryMB, count) +
    stepMs.destroy +
    stepMs.undo,
  "sandbox.stop": ({ memoryMB }) => queueMs(memoryMB) + stepMs.suspend(memoryMB),
  "snapshot.create": ({ memoryMB }) => queueMs(memoryMB) + stepMs.capture(memoryMB),
  "snapshot.resume": ({ memoryMB }) => stepMs.clone(memoryMB),
  "snapshot.restore": ({ memoryMB }) => queueMs(memoryMB) + restoreMs(memoryMB),
  "image.build": () => 14_400_000,
};

/** How long a create waits for another one of its name. */
export const sameNameMs = operationMs["sandbox.create"]({ memoryMB: 0 }) + stepMs.undo;

/** Maximum duration of a destroy during another one. */
export const destroyMs = stepMs.undo + 2 * (stepMs.destroy + stepMs.undo);

/** How long one request may wait for an operation's end. */
export const maximumWaitSeconds = 300;

/** A client does not know the size of a sandbox. */
const largest = { memoryMB: slowestMB, count: maximumForks };

const answerMs = (kind: OperationKind) => operationMs[kind](largest) + stepMs.undo;
const treeMs = useMs(slowestMB) + stepMs.tree;
const briefMs = useMs(slowestMB) + stepMs.brief;

/** Deadlines of the daemon's answers; endpoints that are not listed answer at once. */
export const daemonMs: Partial<Record<EndpointId, number>> = {
  "sandbox.create": sameNameMs + Math.max(answerMs("sandbox.create"), answerMs("sandbox.fork")),
  "sandbox.edit": useMs(slowestMB),
  "sandbox.destroy": destroyMs,
  "sandbox.stop": answerMs("sandbox.stop"),
  "sandbox.start": queueMs(slowestMB) + stepMs.start + stepMs.undo,
  "sandbox.fork": answerMs("sandbox.fork"),
  "snapshot.create": answerMs("snapshot.create"),
  "snapshot.delete": 2 * stepMs.destroy,
  "snapshot.resume": answerMs("snapshot.resume"),
  "snapshot.restore": answerMs("snapshot.restore"),
  "operation.get": maximumWaitSeconds * 1000,
  "operation.cancel": stepMs.cancel,
  "task.cancel": stepMs.cancel,
  "session.kill": briefMs,
  "session.log": briefMs,
  "file.read": briefMs,
  "file.stat": briefMs,
  "file.mkdir": briefMs,
  "file.pull": briefMs,
  "file.watch": briefMs,
  "file.remove": treeMs,
  "file.move": treeMs,
  "file.copy": treeMs,
};

/**
 * Idle timeouts of a transfer: the daemon's for the sandbox, and the client's for the daemon. The daemon's for the client is
 * `limits.stalled_seconds`. A guest may be busy between two chunks, with a disk that writes 100 MB back or a directory of 100,000 files.
 */
export const silenceMs = { sandbox: 120_000, daemon: 150_000 };

/** WebSockets: interval of the daemon's pings, and the silence after which either side closes the connection. */
export const socketMs = { ping: 30_000, silence: 90_000 };

/**
 * While a client waits for an answer: the interval between its probes of the daemon, the time without a successful probe
 * after which it gives up, and the interval after a failed one.
 */
export const lifeMs = { ask: 30_000, answer: 60_000, again: 1_000 };

/** For the network, and for a client and a daemon on a busy host. */
const marginMs = 15_000;
const promptMs = 15_000;

/** How long a client waits for the answer; `body` is the request's. */
export function patienceMs(id: EndpointId, body?: unknown): number {
  const answer = id === "exec.run" ? execMs(body) : (daemonMs[id] ?? promptMs);
  return answer + marginMs;
}

/** A buffered exec answers when the command has ended, a detached one when it has started. */
function execMs(body: unknown): number {
  const { detach, timeout_sec } = (body ?? {}) as { detach?: boolean; timeout_sec?: number };
  const runMs = detach ? 0 : (timeout_sec || defaultExecTimeoutSeconds) * 1000 + stepMs.kill;
  return useMs(slowestMB) + stepMs.begin + runMs;
}
