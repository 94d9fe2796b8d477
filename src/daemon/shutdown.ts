/** Takes the daemon down: requests first, then machines if they are to end, then everything that start-up acquired. */
import { within } from "../async/deadline.ts";
import { stepMs } from "../contract/deadlines.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import type { HttpServer } from "../server/server.ts";
import type { Operations } from "../services/operations.ts";
import type { Sandboxes } from "../services/sandboxes.ts";

export interface TakeDownOptions {
  server: HttpServer;
  sandboxes: Sandboxes;
  operations: Operations;
  /** The memory of the largest sandbox: it may be on its way to the disk. */
  largestMB: number;
  onShutdown: "keep" | "stop";
  log: Logger;
  /** Everything that start-up acquired. */
  rest: AsyncDisposableStack;
}

const drainMs = 5_000;
const restMs = 20_000;

export async function takeDown(options: TakeDownOptions): Promise<void> {
  const { server, sandboxes, operations, largestMB, onShutdown, log, rest } = options;
  const settleMs = stepMs.suspend(largestMB);
  const started = performance.now();
  await step(log, "finishing requests", drainMs + 5_000, () => server.stop(drainMs));
  sandboxes.close();
  operations.close(new BhattiError("shutting_down", "The daemon is shutting down"));
  await step(log, "finishing operations", settleMs, async () => {
    await Promise.all([sandboxes.settled(), operations.settled()]);
  });
  if (onShutdown === "stop") await sandboxes.suspendAll();
  await step(log, "releasing resources", restMs, () => rest.disposeAsync());
  log.info("stopped", { ms: Math.round(performance.now() - started), machines: onShutdown });
}

/** A step that fails or takes too long must not keep the others from being done. */
async function step(
  log: Logger,
  what: string,
  milliseconds: number,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await within(milliseconds, what, undefined, work);
  } catch (error) {
    log.error("a shutdown step failed", { step: what, error });
  }
}
