/** The snapshot endpoints, bound to the service. The API's `type` of a snapshot is its `kind` everywhere below. */
import { endpoints } from "../../contract/all.ts";
import type { Snapshot } from "../../contract/snapshots.ts";
import type { ListedSnapshot, Snapshots } from "../../services/snapshots.ts";
import { type Binder, implement } from "../implement.ts";
import { answerWith, callerOf, type OperationRouteOptions } from "./operations.ts";
import { type PresenterOptions, sandboxPresenter, warningHeaders } from "./presented-sandbox.ts";

export interface SnapshotRouteOptions extends PresenterOptions, OperationRouteOptions {
  snapshots: Snapshots;
}

export function bindSnapshots(binder: Binder, options: SnapshotRouteOptions): void {
  const { snapshots } = options;
  const presentedSandbox = sandboxPresenter(options);
  implement(binder, endpoints["snapshot.create"], async (call) => {
    const { user, params, body } = call;
    const request = { name: body.name, kind: body.type };
    const accepted = snapshots.create(user, params.ref, request, callerOf(call));
    return await answerWith(options, call, accepted, presented);
  });
  implement(binder, endpoints["snapshot.list"], ({ user }) => snapshots.list(user).map(presented));
  implement(binder, endpoints["snapshot.get"], ({ params, user }) =>
    presented(snapshots.get(user, params.ref)),
  );
  implement(binder, endpoints["snapshot.delete"], async ({ params, user }) => {
    await snapshots.delete(user, params.ref);
    return { status: "deleted" as const };
  });
  implement(binder, endpoints["snapshot.resume"], async (call) => {
    const accepted = snapshots.resume(call.user, call.params.ref, call.body, callerOf(call));
    return await answerWith(options, call, accepted, (resumed) =>
      call.answer(presentedSandbox(resumed), { headers: warningHeaders(resumed.statusReason) }),
    );
  });
  implement(binder, endpoints["snapshot.restore"], async (call) => {
    const { user, params, body } = call;
    const accepted = snapshots.restore(user, params.ref, body.sandbox, callerOf(call));
    return await answerWith(options, call, accepted, (restored) =>
      call.answer(presentedSandbox(restored), { headers: warningHeaders(restored.statusReason) }),
    );
  });
}

function presented(snapshot: ListedSnapshot): Snapshot {
  return {
    id: snapshot.id,
    user_id: snapshot.userId,
    name: snapshot.name,
    type: snapshot.kind,
    source_sandbox: snapshot.sourceName,
    source_sandbox_id: snapshot.sourceId,
    size_mb: snapshot.sizeMB,
    paused_ms: Math.round(snapshot.pausedMs * 10) / 10,
    cpus: snapshot.cpus,
    memory_mb: snapshot.memoryMB,
    disk_size_mb: snapshot.diskSizeMB,
    image: snapshot.image,
    created_at: snapshot.createdAt,
  };
}
