/** The operation endpoints, and how the endpoints that start operations answer. */
import { endpoints } from "../../contract/all.ts";
import type { Operation, Task } from "../../contract/operations.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Accepted } from "../../services/operation.ts";
import type { OperationRecord, Operations } from "../../services/operations.ts";
import { type Binder, type Call, implement } from "../implement.ts";
import type { RequestContext } from "../request.ts";

export interface OperationRouteOptions {
  operations: Operations;
}

export function bindOperations(binder: Binder, { operations }: OperationRouteOptions): void {
  implement(binder, endpoints["operation.list"], ({ query, user }) => {
    const { state: states, kind: kinds, target } = query;
    return operations.list(user, { states, kinds, target }).map(presented);
  });
  implement(binder, endpoints["operation.get"], async ({ params, query, user, signal }) =>
    presented(await operations.wait(user, params.id, query.wait * 1000, signal())),
  );
  implement(binder, endpoints["operation.cancel"], async ({ params, user, signal }) =>
    presented(await operations.cancel(user, params.id, signal())),
  );
  implement(binder, endpoints["task.get"], ({ params, user }) =>
    taskOf(operations.get(user, params.id)),
  );
  implement(binder, endpoints["task.cancel"], async ({ params, user, signal }) => {
    const { state } = await operations.cancel(user, params.id, signal());
    if (state === "succeeded" || state === "failed") {
      throw new BhattiError("operation_ended", `Operation ${params.id} has already ${state}`);
    }
    return { status: "cancelled" as const };
  });
}

/** The signal that cancels the request's operation: none for a client that does not wait for it. */
export function callerOf({ context, signal }: AnyCall): AbortSignal | undefined {
  return prefersAsync(context) ? undefined : signal();
}

/** Waits for the outcome, unless the client prefers not to. */
export async function answerWith<T, R>(
  { operations }: OperationRouteOptions,
  { context, user, answer }: AnyCall,
  { operation, outcome }: Accepted<T>,
  present: (value: T) => R,
): Promise<R | Response> {
  if (operation !== undefined) context.set("operation", operation);
  if (operation === undefined || !prefersAsync(context)) return present(await outcome);
  return answer(presented(operations.get(user, operation)), {
    status: 202,
    headers: { Location: `/operations/${operation}`, "Preference-Applied": "respond-async" },
  });
}

type AnyCall = Pick<Call<unknown>, "context" | "user" | "signal" | "answer">;

/** RFC 7240. */
function prefersAsync({ req }: RequestContext): boolean {
  const preferences = req.header("prefer")?.toLowerCase().split(",") ?? [];
  return preferences.some((one) => one.split(";")[0]?.trim() === "respond-async");
}

function presented(operation: OperationRecord): Operation {
  const { id, kind, userId, target, state, progress, deadline, createdAt } = operation;
  const { startedAt, endedAt, result, error } = operation;
  return {
    id,
    kind,
    user_id: userId ?? "",
    target: { kind: target.kind, ...(target.id !== null && { id: target.id }), name: target.name },
    state,
    progress,
    deadline,
    created_at: createdAt,
    ...(startedAt !== null && { started_at: startedAt }),
    ...(endedAt !== null && { ended_at: endedAt }),
    ...(result && { result }),
    ...(error && { error }),
  };
}

const taskStates = {
  pending: "running",
  running: "running",
  succeeded: "completed",
  failed: "failed",
  cancelled: "failed",
} as const;

function taskOf(operation: OperationRecord): Task {
  const { id, kind, userId, state, progress, result, error, createdAt, endedAt } = operation;
  return {
    id,
    user_id: userId ?? "",
    type: kind,
    status: taskStates[state],
    progress,
    result: result ? JSON.stringify(result) : "",
    ...(error && { error: error.message }),
    created_at: createdAt,
    ...(endedAt !== null && { completed_at: endedAt }),
  };
}
