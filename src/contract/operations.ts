/** The endpoints of operations: list, get, cancel, and the task endpoints of the original. */
import { z } from "zod";
import { Cancelled } from "./acknowledgements.ts";
import { maximumWaitSeconds } from "./deadlines.ts";
import { endpoint } from "./endpoint.ts";
import { operationKinds, operationStates, operationTargets } from "./operation-kinds.ts";
import { OperationError, OperationResult } from "./operation-outcome.ts";

export const OperationKind = z.enum(operationKinds);
export const OperationState = z.enum(operationStates);

export const Operation = z.object({
  id: z.string(),
  kind: OperationKind,
  user_id: z.string().describe("Empty for operations of the operator"),
  target: z.object({
    kind: z.enum(operationTargets),
    id: z.string().optional().describe("Absent until known"),
    name: z.string(),
  }),
  state: OperationState.describe(
    "pending: waiting for another operation on the target; succeeded, failed and cancelled are final",
  ),
  progress: z.string().describe("Current step; empty once the operation has ended"),
  deadline: z.string().describe("When the operation times out; RFC 3339, UTC"),
  created_at: z.string(),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  result: OperationResult.optional().describe("Objects created or changed, if state is succeeded"),
  error: OperationError.optional().describe("Set if state is failed or cancelled"),
});
export type Operation = z.infer<typeof Operation>;

/** An operation in the format of the original. */
export const Task = z.object({
  id: z.string(),
  user_id: z.string(),
  type: z.string(),
  status: z.enum(["running", "completed", "failed"]),
  progress: z.string(),
  result: z.string().describe("JSON; empty unless status is completed"),
  error: z.string().optional(),
  created_at: z.string(),
  completed_at: z.string().optional(),
});
export type Task = z.infer<typeof Task>;

const OperationId = z.object({ id: z.string().min(1) });

/** `a`, `a,b`, or the parameter several times. */
function several<Options extends Readonly<Record<string, string>>>(one: z.ZodEnum<Options>) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((given, { addIssue }) =>
      [given].flat().flatMap((text) =>
        text.split(",").flatMap((word) => {
          const known = one.safeParse(word);
          if (known.success) return [known.data];
          const message = `must be one of ${one.options.join(", ")}`;
          addIssue({ code: "custom", message, input: word });
          return [];
        }),
      ),
    )
    .optional();
}

const waitRule = `must be between 0 and ${maximumWaitSeconds} seconds`;

export const operationEndpoints = {
  "operation.list": endpoint("operation.list", {
    summary: "List operations of the last 24 hours, newest first",
    query: z.object({
      state: several(OperationState).describe("Filter; repeat it, or separate values with commas"),
      kind: several(OperationKind).describe("Filter; repeat it, or separate values with commas"),
      target: z
        .string()
        .min(1)
        .optional()
        .describe("Filter by name or ID of the target, such as dev or sandbox/dev"),
    }),
    result: z.array(Operation),
    errors: [],
  }),
  "operation.get": endpoint("operation.get", {
    summary: "Show an operation, or wait for its end",
    params: OperationId,
    query: z.object({
      wait: z.coerce
        .number({ error: waitRule })
        .min(0, { error: waitRule })
        .max(maximumWaitSeconds, { error: waitRule })
        .default(0)
        .describe(
          "Seconds to wait for the end of the operation before returning its current state",
        ),
    }),
    result: Operation,
    errors: ["operation_not_found"],
  }),
  "operation.cancel": endpoint("operation.cancel", {
    summary: "Cancel an operation and undo its steps",
    description: "Succeeds if the operation was already cancelled.",
    params: OperationId,
    result: Operation,
    errors: ["operation_not_found", "operation_ended", "operation_elsewhere"],
  }),
  "task.get": endpoint("task.get", {
    summary: "Show an operation as a task",
    params: OperationId,
    result: Task,
    errors: ["operation_not_found"],
  }),
  "task.cancel": endpoint("task.cancel", {
    summary: "Cancel a task",
    params: OperationId,
    result: Cancelled,
    errors: ["operation_not_found", "operation_ended", "operation_elsewhere"],
  }),
};
