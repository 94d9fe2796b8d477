/** Suspends every machine when the daemon ends and is told not to leave them running. */
import { within } from "../async/deadline.ts";
import { messageOf } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import { inParallel } from "./in-parallel.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor } from "./sandbox-actor.ts";

export interface SuspendAllOptions {
  actors: SandboxActor[];
  lifecycle: Lifecycle;
  keeper: MachineKeeper;
  log: Logger;
  /** How long a guest that could not be put into files may take to shut down. */
  powerOffMs?: number | undefined;
}

const suspendMs = 60_000;
const powerOffMs = 30_000;
const haltMs = 15_000;
/** Each writes its memory to the disk. */
const atOnce = 4;

export async function suspendAll(options: SuspendAllOptions): Promise<void> {
  const running = options.actors.filter((actor) => actor.machine);
  await inParallel(running, atOnce, async (actor) => {
    const { log } = options;
    const patience = options.powerOffMs ?? powerOffMs;
    const limit = suspendMs;
    try {
      await actor.performExclusively({
        what: `Suspending sandbox ${actor.id}`,
        milliseconds: limit + patience + haltMs,
        work: (signal) => suspend(options, actor, limit, patience, signal),
      });
    } catch (error) {
      log.error("a machine was not suspended", { sandbox: actor.id, error });
    }
  });
}

async function suspend(
  { lifecycle, keeper, log }: SuspendAllOptions,
  actor: SandboxActor,
  limit: number,
  patience: number,
  signal: AbortSignal,
): Promise<void> {
  const { machine } = actor;
  if (!machine) return;
  try {
    await within(limit, "Putting it into files", signal, (both) =>
      lifecycle.suspend(actor.id, actor, "running", both),
    );
  } catch (error) {
    if (actor.machine !== machine) return; // it ended by itself, and its row says so
    const fields = { sandbox: actor.id, machine: machine.id, error };
    log.warn("a sandbox could not be put into files; its guest is shut down", fields);
    const why = `the daemon was stopped, and it could not be put into files: ${messageOf(error)}`;
    try {
      await within(patience, "The guest's shutdown", signal, (both) => machine.powerOff(both));
    } catch (cause) {
      if (actor.machine !== machine) return;
      log.warn("a guest did not shut down; its machine is ended", { ...fields, error: cause });
      await machine.halt();
    }
    keeper.endedWithDaemon(actor, why);
  }
}
