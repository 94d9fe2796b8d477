/** Runs at start-up: stores the actual end of each operation that an earlier daemon left unfinished. */
import type { Engine } from "../engine/engine.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { OperationEnd, OperationRecord } from "../store/operations.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { Store } from "../store/store.ts";
import type { MachineKeeper } from "./machine-keeper.ts";
import { errorOf, interrupted } from "./operation.ts";
import type { Operations } from "./operations.ts";
import type { SandboxActors } from "./sandbox-actor.ts";

export interface OperationRecoveryOptions {
  store: Store;
  engine: Engine;
  actors: SandboxActors;
  keeper: MachineKeeper;
  operations: Operations;
}

type End = Omit<OperationEnd, "endedAt" | "progress">;

/** Runs after the recovery of sandboxes and snapshots, whose state determines the end of each operation. */
export async function recoverOperations(options: OperationRecoveryOptions): Promise<void> {
  for (const record of options.operations.abandoned()) {
    options.operations.conclude(record, await endOf(options, record));
  }
}

async function endOf(options: OperationRecoveryOptions, record: OperationRecord): Promise<End> {
  if (record.state === "pending") return interrupted(record, "nothing was changed");
  switch (record.kind) {
    case "sandbox.create":
    case "snapshot.resume":
      return endOfMaking(options, record, [record.target.id ?? ""]);
    case "sandbox.fork":
      return endOfMaking(options, record, record.before.sandboxes ?? []);
    case "sandbox.stop":
      return await endOfStop(options, record);
    case "snapshot.create":
      return endOfSnapshot(options, record);
    case "snapshot.restore":
      return endOfRestore(options, record);
    case "image.build":
      return interrupted(record);
  }
}

function endOfMaking({ store }: OperationRecoveryOptions, record: OperationRecord, ids: string[]) {
  const made = ids.map((id) => store.sandboxes.byId(id)).filter((found) => found !== undefined);
  if (made.length === ids.length) return succeeded(...made);
  const names = made.map(({ name }) => `"${name}"`).join(", ");
  return interrupted(record, names ? `created sandboxes: ${names}` : undefined);
}

/** If its machine is suspended the sandbox has stopped, although its row does not say so. */
async function endOfStop(options: OperationRecoveryOptions, record: OperationRecord): Promise<End> {
  const { store, engine, actors, keeper } = options;
  const sandbox = store.sandboxes.byId(record.target.id ?? "");
  if (!sandbox) return interrupted(record, "its sandbox no longer exists");
  const { id, engineId, status, statusReason } = sandbox;
  if (record.before.status === "stopped") return succeeded(sandbox);
  const actor = actors.of(id);
  if (actor.machine) return interrupted(record, "its sandbox is still running");
  if (engineId !== null && (await engine.stateOf(engineId)) === "suspended") {
    keeper.suspended(actor, "stopped");
    return succeeded(sandbox);
  }
  const reason = `memory lost: ${statusReason ?? status}`;
  return { state: "failed", result: null, error: errorOf(new BhattiError("machine_lost", reason)) };
}

function endOfSnapshot({ store }: OperationRecoveryOptions, record: OperationRecord): End {
  const snapshot = store.snapshots.byId(record.target.id ?? "");
  if (snapshot?.status !== "ready") return interrupted(record);
  const { id, name, sizeMB } = snapshot;
  const result = { snapshot: { id, name, size_mb: sizeMB } };
  return { state: "succeeded", result, error: null };
}

function endOfRestore({ store }: OperationRecoveryOptions, record: OperationRecord): End {
  const sandbox = store.sandboxes.byId(record.target.id ?? "");
  if (!sandbox) return interrupted(record, "its sandbox no longer exists");
  if (sandbox.engineId !== record.before.engineId) return succeeded(sandbox);
  return interrupted(record, "its sandbox is unchanged");
}

function succeeded(...sandboxes: Pick<SandboxRecord, "id" | "name">[]): End {
  const named = sandboxes.map(({ id, name }) => ({ id, name }));
  return { state: "succeeded", result: { sandboxes: named }, error: null };
}
