/** The events that must have been recorded. Of operations at the same time nobody knows exactly. */
import type { Operation, Reply } from "./operations.ts";
import { isCold, type Sandbox, type State } from "./state.ts";
import { namesOf } from "./usage.ts";

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

type Verb = Operation["do"];
type Rule<V extends Verb> = (
  operation: Extract<Operation, { do: V }>,
  sandbox: Sandbox | undefined,
  before: State,
) => string[];

/** Of those that were done. */
const rules: { [V in Verb]?: Rule<V> } = {
  fork: ({ name, count }) => namesOf(name, count).map(() => "sandbox.created"),
  resume: () => ["sandbox.created", "snapshot.resumed"],
  rename: () => ["sandbox.updated"],
  label: () => ["sandbox.updated"],
  live: () => ["sandbox.updated"],
  stop: (_, sandbox) => (sandbox?.status[0] === "stopped" ? [] : ["sandbox.stopped"]),
  start: (_, sandbox) => (sandbox?.status[0] === "running" ? [] : ["sandbox.started"]),
  keep: () => ["snapshot.created"],
  restore: () => ["snapshot.restored"],
  drop: () => ["snapshot.deleted"],
  destroy: () => ["sandbox.destroyed"],
  pass({ seconds }, _, { now, sandboxes }) {
    const over = sandboxes.filter(({ expiresAt = Infinity }) => expiresAt <= now + seconds);
    return over.map(() => "sandbox.destroyed");
  },
  crash: (_, sandbox) => (sandbox && !isCold(sandbox) ? ["sandbox.crashed"] : []),
  "power-off": (_, sandbox) => (sandbox && !isCold(sandbox) ? ["sandbox.stopped"] : []),
};

function eventsOf(before: State, operation: Operation, { status, code }: Reply): string[] {
  // What was there already was not created; what could not be kept hot was edited all the same.
  if (operation.do === "create") return status === 201 ? ["sandbox.created"] : [];
  if (operation.do === "keep-hot") return code === "sandbox_not_found" ? [] : ["sandbox.updated"];
  if (status >= 300) return [];
  const target = "ref" in operation ? operation.ref : undefined;
  const sandbox = before.sandboxes.find(({ name }) => name === target);
  const rule = rules[operation.do] as Rule<Verb> | undefined;
  return rule?.(operation, sandbox, before) ?? [];
}
