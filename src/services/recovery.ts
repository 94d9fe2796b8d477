/** After a start: compares the rows with the machines that exist, and repairs the difference. */
import { within } from "../async/deadline.ts";
import { faultPoint } from "../async/fault-point.ts";
import { stepMs } from "../contract/deadlines.ts";
import type { Engine, Machine } from "../engine/engine.ts";
import { messageOf } from "../errors/bhatti-error.ts";
import type { EventSink } from "../observability/events.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import { Activity } from "./activity.ts";
import { inParallel } from "./in-parallel.ts";
import type { ConfigOf } from "./machine-config.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import type { SandboxActor, SandboxActors } from "./sandbox-actor.ts";
import type { Sandboxes } from "./sandboxes.ts";

export interface RecoveryOptions {
  store: Store;
  engine: Engine;
  configOf: ConfigOf;
  actors: SandboxActors;
  keeper: MachineKeeper;
  sandboxes: Sandboxes;
  events: EventSink;
  log: Logger;
}

/** Before the first request, and before the engine makes machines of its own accord. */
export async function recover(options: RecoveryOptions): Promise<void> {
  const { store, engine, log } = options;
  const machines = await engine.list();
  const rows = store.sandboxes.all();
  faultPoint("recover.listed");
  await inParallel(rows, 8, (row) => recoverRow(options, row));
  faultPoint("recover.rows-done");
  // The rows are read again: recovering them may have made or removed some.
  const known = new Set(store.sandboxes.all().map((row) => row.engineId));
  const orphans = machines.filter(({ id }) => !known.has(id));
  await inParallel(orphans, 8, async ({ id, isOwn }) => {
    if (!isOwn) {
      log.warn("keeping a VM created by another host or an earlier version", { machine: id });
      return;
    }
    log.warn("removing an orphaned VM", { machine: id });
    await engine
      .destroy(id)
      .catch((error: unknown) => log.error("cannot remove an orphaned VM", { machine: id, error }));
  });
}

async function recoverRow(options: RecoveryOptions, row: SandboxRecord): Promise<void> {
  const { store, log } = options;
  try {
    if (row.status === "creating") {
      // Its machine, if there is one, is an orphan then.
      store.sandboxes.delete(row.id);
      faultPoint("recover.create-undone");
      log.warn("removed a partially created sandbox", { sandbox: row.id, name: row.name });
    } else if (row.destroyRequestedAt !== null) {
      await options.sandboxes.remove(row.id, options.actors.of(row.id));
      log.info("finished an interrupted destroy", { sandbox: row.id, name: row.name });
    } else {
      await adopt(options, row);
    }
  } catch (error) {
    log.error("cannot recover a sandbox", { sandbox: row.id, error });
  }
}

async function adopt(options: RecoveryOptions, row: SandboxRecord): Promise<void> {
  const { engine, keeper, actors, log, events, configOf } = options;
  const actor = actors.of(row.id);
  const lastAt = Date.parse(row.lastActiveAt ?? row.createdAt);
  actor.activity = new Activity(actors.clock, lastAt, "last seen");
  try {
    const { engineId } = row;
    const machine =
      engineId === null
        ? undefined
        : await within(stepMs.adopt, "Adopting the VM", undefined, (signal) =>
            engine.adopt(engineId, configOf(row), signal),
          );
    if (machine) {
      // Before its guest is asked anything: that may take long, and then its next use tries again.
      keeper.attach(actor, machine, (row.status === "running" && row.statusReason) || undefined);
      faultPoint("recover.taken-over");
      // One that stood still for a moment only, such as for a snapshot, was at work.
      if (!machine.isPaused || row.thermal === "hot") {
        await goOn(machine, log);
        if (machine.isAwake) keeper.turn(actor, "hot");
      }
      log.debug("VM adopted", { sandbox: row.id, machine: machine.id });
    } else {
      await withoutProcess(options, row, actor);
      faultPoint("recover.without-process");
    }
  } catch (error) {
    const reason = `cannot adopt the VM: ${messageOf(error)}`;
    keeper.detach(actor, "unknown", reason);
    log.error("cannot adopt a VM", { sandbox: row.id, error });
  }
  events.record({
    type: "sandbox.recovered",
    userId: row.userId,
    sandboxId: row.id,
    meta: { running: actor.machine !== undefined },
  });
}

/** The daemon before us may have died between freezing its processes and letting them go on. */
async function goOn(machine: Machine, log: Logger): Promise<void> {
  try {
    await machine.unpause(AbortSignal.timeout(stepMs.adopt));
  } catch (error) {
    log.warn("an adopted VM does not respond yet", { machine: machine.id, error });
  }
}

/** No process of it runs: what its row says must fit what is in its files. */
async function withoutProcess(
  { engine, keeper, log }: RecoveryOptions,
  row: SandboxRecord,
  actor: SandboxActor,
): Promise<void> {
  const state = row.engineId === null ? "gone" : await engine.stateOf(row.engineId);
  const fields = { sandbox: row.id, name: row.name };
  if (state === "gone") {
    keeper.detach(actor, "unknown", "disk missing");
    log.error("the disk of a sandbox is missing", fields);
  } else if (state === "suspended") {
    keeper.suspended(actor, row.status === "stopped" ? "stopped" : "running");
  } else if (row.status === "running" || row.status === "unknown") {
    // What was said while it ran is how it came to run.
    const before = row.thermal === "cold" ? row.statusReason : null;
    const reason = before ?? "VM not running when the daemon started";
    keeper.endedWithDaemon(actor, reason);
    log.warn("VM not running; the sandbox boots from disk when it is used", fields);
  }
}
