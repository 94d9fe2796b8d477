/** The events that must have been recorded. Of operations at the same time nobody knows exactly. */
import type { Operation, Reply } from "./operations.ts";
import { namesOf } from "./predict.ts";
import { isCold, type State } from "./state.ts";

const counted = [
  "sandbox.created",
  "sandbox.updated",
  "sandbox.stopped",
  "sandbox.started",
  "sandbox.crashed",
  "sandbox.destroyed",
  "snapshot.created",
  "snapshot.resumed",
  "snapshot.restored",
  "snapshot.deleted",
];

export class Expectations {
  /** Operations until now. */
  count = 0;
  readonly #events = new Map<string, number>();
  #isExact = true;

  after(before: State, operation: Operation, reply: Reply): void {
    if (operation.do === "restart" && operation.how === "kill") this.forget();
    for (const type of eventsOf(before, operation, reply)) {
      this.#events.set(type, (this.#events.get(type) ?? 0) + 1);
    }
  }

  forget(): void {
    this.#isExact = false;
  }

  /** Throws when something else was recorded. */
  check(recorded: ReadonlyMap<string, number>): void {
    if (!this.#isExact) return;
    for (const type of counted) {
      const [expected, found] = [this.#events.get(type) ?? 0, recorded.get(type) ?? 0];
      if (expected !== found) throw new Error(`${type}: ${found} events, expected ${expected}`);
    }
  }
}

function eventsOf(before: State, operation: Operation, { status, code }: Reply): string[] {
  const isDone = status < 300;
  const target = "ref" in operation ? operation.ref : undefined;
  const sandbox = before.sandboxes.find(({ name }) => name === target);
  switch (operation.do) {
    case "create":
      return status === 201 ? ["sandbox.created"] : [];
    case "fork":
      return isDone ? namesOf("x", operation.count).map(() => "sandbox.created") : [];
    case "resume":
      return isDone ? ["sandbox.created", "snapshot.resumed"] : [];
    case "rename":
    case "label":
    case "live":
      return isDone ? ["sandbox.updated"] : [];
    case "keep-hot":
      return code === "sandbox_not_found" ? [] : ["sandbox.updated"];
    case "stop":
      return isDone && sandbox?.status[0] !== "stopped" ? ["sandbox.stopped"] : [];
    case "start":
      return isDone && sandbox?.status[0] !== "running" ? ["sandbox.started"] : [];
    case "keep":
      return isDone ? ["snapshot.created"] : [];
    case "restore":
      return isDone ? ["snapshot.restored"] : [];
    case "drop":
      return isDone ? ["snapshot.deleted"] : [];
    case "destroy":
      return isDone ? ["sandbox.destroyed"] : [];
    case "pass": {
      const now = before.now + operation.seconds;
      const over = before.sandboxes.filter(({ expiresAt = Infinity }) => expiresAt <= now);
      return over.map(() => "sandbox.destroyed");
    }
    case "crash":
    case "power-off":
      if (!sandbox || isCold(sandbox)) return [];
      return [operation.do === "crash" ? "sandbox.crashed" : "sandbox.stopped"];
    default:
      return [];
  }
}
