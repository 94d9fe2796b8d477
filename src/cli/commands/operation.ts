/** `bhatti operation …`: long-running operations of the last 24 hours. */
import type { Received } from "../../client/answer.ts";
import type { Client } from "../../client/client.ts";
import type { Operation } from "../../contract/operations.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { isErrorCode } from "../../errors/catalogue.ts";
import { duration } from "../arguments/duration.ts";
import { list, text } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { describe } from "../terminal/describe.ts";
import { future, past, since } from "../terminal/moment.ts";
import { type Column, table } from "../terminal/table.ts";

type ReceivedOperation = Received<Operation>;

export const listOperations = command({
  description:
    "Lists the operations of the last 24 hours, newest first. The states are pending, running, succeeded, failed and " +
    "cancelled.",
  arguments: [],
  flags: {
    state: list("Show only operations in this state (repeatable)", {
      placeholder: "state",
    }),
    kind: list("Show only this kind, such as sandbox.create (repeatable)", { placeholder: "kind" }),
    target: text("Show only this target, such as dev or sandbox/dev", {
      placeholder: "target",
    }),
  },
  examples: [
    "bhatti operation list",
    "bhatti op ls --state running",
    "bhatti op ls --target dev --kind sandbox.stop --json",
  ],
  async run(context, { state, kind, target }) {
    const client = await context.client();
    const query = {
      ...(state.length > 0 && { state: [...state] }),
      ...(kind.length > 0 && { kind: [...kind] }),
      ...(target !== undefined && { target }),
    };
    const { result } = await client.call("operation.list", { query });
    await context.result(result, () => (result.length > 0 ? table(columns, result) : ""));
    if (result.length === 0 && !context.flags.json) await context.remark("No operations");
  },
});

export const inspectOperation = command({
  arguments: ["operation"],
  flags: {},
  examples: ["bhatti operation inspect op_0f3a5c6d7e8f9a0b"],
  async run(context, { operation: id }) {
    const client = await context.client();
    const { result } = await client.call("operation.get", { params: { id }, query: {} });
    await context.result(result, () => words(result));
  },
});

export const cancelOperation = command({
  description:
    "Undoes the operation's steps: a create leaves no sandbox, a stop leaves it running.\n" +
    "Succeeds if the operation is already cancelled, and fails if it ended otherwise.",
  arguments: ["operation"],
  flags: {},
  examples: ["bhatti operation cancel op_0f3a5c6d7e8f9a0b"],
  async run(context, { operation: id }) {
    const client = await context.client();
    const { result } = await client.call("operation.cancel", { params: { id } });
    if (result.state === "succeeded" || result.state === "failed") throw tooLate(id, result.state);
    const done = result.state === "cancelled" ? "cancelled" : "is being cancelled";
    await context.result(result, () => `operation/${id} ${done}\n`);
  },
});

export const waitForOperation = command({
  description: "Exits with 0 if the operation succeeded, and with 1 if it failed or was cancelled.",
  arguments: ["operation"],
  flags: { timeout: duration("Stop waiting after this time; the operation continues") },
  examples: [
    "bhatti operation wait op_0f3a5c6d7e8f9a0b",
    "bhatti op wait op_0f3a5c6d7e8f9a0b --timeout 5m",
  ],
  async run(context, { operation: id, timeout }) {
    const client = await context.client();
    const operation = await untilEnded(context, client, id, timeout || undefined);
    const { kind, name } = operation.target ?? {};
    if (kind !== undefined && name !== undefined) context.names.set(kind, name);
    if (operation.error) throw failureOf(id, operation);
    await context.result(operation, () => `operation/${id} succeeded\n`);
  },
});

/** Shorter than the idle timeout of common proxies. */
const waitSeconds = 30;

/** Without a timeout, waits until the operation ends, at the latest by its deadline. */
async function untilEnded(
  { system }: Context,
  client: Client,
  id: string,
  timeout: number | undefined,
): Promise<ReceivedOperation> {
  const started = system.now();
  for (;;) {
    const left = timeout === undefined ? waitSeconds : timeout - (system.now() - started) / 1000;
    const wait = String(Math.max(0, Math.min(left, waitSeconds)));
    const { result } = await client.call("operation.get", { params: { id }, query: { wait } });
    if (result.ended_at !== undefined) return result;
    if (result.state === undefined) {
      throw new BhattiError("not_bhatti", `the daemon at ${client.url} sent no state of ${id}`);
    }
    if (timeout === undefined || (system.now() - started) / 1000 < timeout) continue;
    throw new BhattiError(
      "timeout",
      `Operation ${id} did not end within ${timeout} s, it is ${result.state}`,
      { hint: `Wait again, or cancel it: bhatti operation cancel ${id}` },
    );
  }
}

function failureOf(id: string, { state, error }: ReceivedOperation): BhattiError {
  const { code = "internal", message = "", hint } = error ?? {};
  const line = state === "cancelled" ? message : `Operation ${id} failed: ${message}`;
  const known = isErrorCode(code) ? code : "internal";
  return new BhattiError(known, line, hint === undefined ? {} : { hint });
}

function tooLate(id: string, state: string): BhattiError {
  return new BhattiError("operation_ended", `Operation ${id} has already ${state}`);
}

function words(operation: ReceivedOperation): string {
  const { target, result, error, ended_at } = operation;
  const { sandboxes, snapshot, image } = result ?? {};
  return describe([
    {
      lines: [
        ["ID", operation.id],
        ["Kind", operation.kind],
        ["Target", targetOf(operation)],
        ["Target ID", target?.id],
        ["State", operation.state],
        ["Progress", operation.progress || undefined],
        ["Created", past(operation.created_at)],
        ["Started", past(operation.started_at)],
        ["Ended", past(ended_at)],
        ["Deadline", ended_at === undefined ? future(operation.deadline) : undefined],
        ["Sandboxes", sandboxes?.map(({ name }) => name).join(", ")],
        ["Snapshot", snapshot && sized(snapshot.name, snapshot.size_mb)],
        ["Image", image && sized(image, result?.size_mb)],
        ["Error", error && `${error.message ?? "-"} (${error.code ?? "-"})`],
        ["Hint", error?.hint],
      ],
    },
  ]);
}

function sized(name = "-", megabytes: number | undefined): string {
  return megabytes === undefined ? name : `${name} (${megabytes} MB)`;
}

function targetOf({ target }: ReceivedOperation): string {
  return target ? `${target.kind ?? "-"}/${target.name ?? "-"}` : "-";
}

const columns: Column<ReceivedOperation>[] = [
  ["ID", 19, (operation) => operation.id ?? "-"],
  ["KIND", 16, (operation) => operation.kind ?? "-"],
  ["TARGET", 20, targetOf],
  ["STATE", 10, (operation) => operation.state ?? "-"],
  ["AGE", 8, ({ created_at: at }) => (at === undefined ? "-" : since(Date.parse(at) / 1000))],
  ["MESSAGE", 0, ({ progress, error }) => error?.message ?? (progress || "-")],
];
