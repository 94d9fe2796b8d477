/** Suspends every machine when the daemon exits with `on_shutdown: stop` or by SIGQUIT. */
import { settledWithin, within } from "../async/deadline.ts";
import { stepMs } from "../contract/deadlines.ts";
import type { Engine, Machine } from "../engine/engine.ts";
import { messageOf } from "../errors/bhatti-error.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import { inParallel } from "./in-parallel.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor } from "./sandbox-actor.ts";

export interface SuspendAllOptions {
  store: Store;
  engine: Pick<Engine, "stateOf">;
  actors: SandboxActor[];
  lifecycle: Pick<Lifecycle, "suspend">;
  keeper: MachineKeeper;
  log: Logger;
  /** Instead of `stepMs.suspend`. */
  limit?(memoryMB: number): number;
  /** How long a guest that could not be put into files may take to shut down. */
  powerOffMs?: number | undefined;
}

const powerOffMs = 30_000;
const haltMs = 15_000;
/** Each writes its memory to the disk. */
const atOnce = 4;

/** Logs the outcome of each sandbox, for the operator. */
export async function suspendAll(options: SuspendAllOptions): Promise<void> {
  const actors = new Map(options.actors.map((actor) => [actor.id, actor]));
  await inParallel(options.store.sandboxes.all(), atOnce, async (sandbox) => {
    const actor = actors.get(sandbox.id);
    const { id, name, engineId } = sandbox;
    try {
      if (actor?.machine) {
        const did = await suspendOne(options, sandbox, actor);
        if (did) options.log.info("sandbox suspended", { sandbox: id, name });
      } else if (engineId !== null && (await options.engine.stateOf(engineId)) === "running") {
        throw new Error("its VM is running, but does not respond");
      }
    } catch (error) {
      options.log.warn("sandbox not suspended", { sandbox: id, name, why: messageOf(error) });
    }
  });
}

async function suspendOne(
  options: SuspendAllOptions,
  { name, memoryMB }: SandboxRecord,
  actor: SandboxActor,
): Promise<boolean> {
  const limit = (options.limit ?? stepMs.suspend)(memoryMB);
  const patience = options.powerOffMs ?? powerOffMs;
  return await actor.performExclusively({
    what: `Suspending sandbox "${name}"`,
    milliseconds: limit + patience + haltMs,
    work: (signal) => suspend(options, actor, limit, patience, signal),
  });
}

/** Whether there was anything to do. */
async function suspend(
  { lifecycle, keeper, log }: SuspendAllOptions,
  actor: SandboxActor,
  limit: number,
  patience: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { machine } = actor;
  if (!machine) return false; // an earlier job has ended it
  try {
    // Writing to the disk heeds no signal: what succeeds late has succeeded, and must not be cut short.
    await settledWithin(limit, "Suspending to disk", signal, (both) =>
      lifecycle.suspend(actor.id, actor, "running", both),
    );
    return true;
  } catch (error) {
    if (actor.machine !== machine) {
      const { reason, detail } = await machine.ended;
      if (reason === "suspended") return true; // late, or its row could not be written
      throw new Error(`its VM exited: ${detail}`, { cause: error });
    }
    // Its state may still be being written: leave the machine to the next daemon.
    if (signal.aborted) throw error;
    const fields = { sandbox: actor.id, machine: machine.id, error };
    log.warn("cannot suspend a sandbox; shutting down its guest", fields);
    await end(machine, patience, signal, log);
    const why = `suspend failed: ${messageOf(error)}`;
    keeper.endedWithDaemon(actor, `the daemon was stopped, and ${why}`);
    throw new Error(`${why}; memory lost, disk kept`, { cause: error });
  }
}

/** In good order if the guest can. */
async function end(machine: Machine, patience: number, signal: AbortSignal, log: Logger) {
  try {
    await within(patience, "The guest's shutdown", signal, async (both) => {
      if (machine.isPaused) await machine.unpause(both);
      await machine.powerOff(both);
    });
  } catch (error) {
    log.warn("guest did not shut down; killing its VM", { machine: machine.id, error });
    await machine.halt();
  }
}
