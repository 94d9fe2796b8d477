/** Random operations as fast-check's commands: what they are done to is chosen when they run, of what there is then. */
import fc from "fast-check";
import { Expectations } from "./expectations.ts";
import {
  type Operation,
  type Reply,
  type Request,
  type System,
  told,
  type Upheaval,
  type View,
} from "./operations.ts";
import { fit, ofBoth, ofKilled, type Possibility, sameReply } from "./outcomes.ts";
import { predict } from "./predict.ts";
import { emptyState, isCold, isHot, isUnknown, type State } from "./state.ts";

export class Model {
  /** Usually one; more when what was seen leaves open which. */
  states: State[] = [emptyState()];
  readonly expected = new Expectations();

  /** Some to begin with. */
  async populate(system: System): Promise<void> {
    for (const name of sandboxNames.slice(0, 2)) {
      const operation: Operation = { do: "create", name };
      const reply = await system.perform(operation);
      this.expected.after(this.state, operation, reply);
      this.states = [predict(this.state, operation).state];
    }
  }

  get state(): State {
    const [state] = this.states;
    if (!state) throw new Error("the model is at its end");
    return state;
  }
}

type Command = fc.AsyncCommand<Model, System>;
/** Random numbers, from which an operation is made. */
type Dice = [number, number, number, number];
type Recipe = (state: State, dice: Dice) => Operation | undefined;

const sandboxNames = ["a", "b", "c", "d"];
const snapshotNames = ["s", "t", "u"];
const paths = ["/workspace/x", "/workspace/y"];

function of<T>(values: readonly T[], die: number): T {
  const value = values[die % values.length];
  if (value === undefined) throw new Error("there is nothing to choose from");
  return value;
}

/** Mostly one that exists. */
function chosen(existing: { name: string }[], names: string[], die: number): string {
  if (existing.length === 0 || die % 8 === 7) return of(names, die >> 3);
  return of(existing, die >> 3).name;
}

const sandboxOf = (state: State, die: number) => chosen(state.sandboxes, sandboxNames, die);
const snapshotOf = (state: State, die: number) => chosen(state.snapshots, snapshotNames, die);

function withMachine(state: State, die: number): string | undefined {
  const found = state.sandboxes.filter((sandbox) => !isCold(sandbox) && !isUnknown(sandbox));
  return found.length === 0 ? undefined : of(found, die).name;
}

const requests: Record<Request["do"], [weight: number, recipe: Recipe]> = {
  create: [3, (_, [a]) => ({ do: "create", name: of(sandboxNames, a) })],
  write: [4, (s, [a, b, c]) => written(s, a, { path: of(paths, b), text: `${c % 100}` })],
  read: [2, (s, [a, b]) => ({ do: "read", ref: sandboxOf(s, a), path: of(paths, b) })],
  remember: [
    4,
    (s, [a, b, c]) => ({
      do: "remember",
      ref: sandboxOf(s, a),
      key: of(["k", "l"], b),
      text: `${c % 100}`,
    }),
  ],
  recall: [2, (s, [a, b]) => ({ do: "recall", ref: sandboxOf(s, a), key: of(["k", "l"], b) })],
  stop: [4, (s, [a]) => ({ do: "stop", ref: sandboxOf(s, a) })],
  start: [4, (s, [a, b]) => ({ do: "start", ref: sandboxOf(s, a), force: b % 3 === 0 })],
  rename: [1, (s, [a, b]) => ({ do: "rename", ref: sandboxOf(s, a), name: of(sandboxNames, b) })],
  label: [1, (s, [a, b]) => ({ do: "label", ref: sandboxOf(s, a), value: `${b % 10}` })],
  "keep-hot": [2, (s, [a, b]) => ({ do: "keep-hot", ref: sandboxOf(s, a), on: b % 2 === 0 })],
  live: [1, (s, [a, b]) => ({ do: "live", ref: sandboxOf(s, a), seconds: of([20, 5000], b) })],
  keep: [
    4,
    (s, [a, b, c]) => ({
      do: "keep",
      ref: sandboxOf(s, a),
      name: of(snapshotNames, b),
      kind: c % 3 === 0 ? "filesystem" : "full",
    }),
  ],
  resume: [
    2,
    (s, [a, b]) => ({ do: "resume", snapshot: snapshotOf(s, a), name: of(sandboxNames, b) }),
  ],
  restore: [3, (s, [a, b]) => restored(s, a, b)],
  drop: [2, (s, [a]) => ({ do: "drop", snapshot: snapshotOf(s, a) })],
  fork: [
    2,
    (s, [a, b, c]) => ({
      do: "fork",
      ref: sandboxOf(s, a),
      name: of(sandboxNames, b),
      count: 1 + (c % 3),
    }),
  ],
  destroy: [2, (s, [a]) => ({ do: "destroy", ref: sandboxOf(s, a) })],
};

function written(state: State, die: number, file: { path: string; text: string }): Operation {
  return { do: "write", ref: sandboxOf(state, die), ...file };
}

/** Mostly the sandbox that it was made of. */
function restored(state: State, a: number, b: number): Operation {
  const snapshot = snapshotOf(state, a);
  const source = state.snapshots.find(({ name }) => name === snapshot)?.source;
  const home = state.sandboxes.find(({ key }) => key === source)?.name;
  const ref = home === undefined || b % 4 === 0 ? sandboxOf(state, b) : home;
  return { do: "restore", snapshot, ref };
}

const ends: [number, Recipe][] = [
  [2, (s, [a]) => onMachine(withMachine(s, a), (ref) => ({ do: "crash", ref }))],
  [1, (s, [a]) => onMachine(withMachine(s, a), (ref) => ({ do: "power-off", ref }))],
];

function onMachine(ref: string | undefined, make: (ref: string) => Operation) {
  return ref === undefined ? undefined : make(ref);
}

/** What befalls one machine, apart from its end. */
const blows: [number, Recipe][] = [
  [3, (s, [a, b]) => deafened(s, a, b)],
  [2, (s, [a, b]) => damaged(s, a, b)],
];

function deafened(state: State, a: number, b: number): Operation | undefined {
  const on = b % 2 === 0;
  return onMachine(withMachine(state, a), (ref) => ({ do: "deafen", ref, on }));
}

function damaged(state: State, a: number, b: number): Operation | undefined {
  const suspended = state.sandboxes.filter((each) => isCold(each) && each.rest === "suspended");
  if (suspended.length === 0) return undefined;
  const how = of(["damaged", "incompatible"] as const, b);
  return { do: "damage", ref: of(suspended, a).name, how };
}

const passing: [number, Recipe][] = [
  [8, (_, [a]) => ({ do: "pass", seconds: of([5, 20, 40, 400, 4000, 8000], a) })],
];

const restarts: [number, Recipe][] = [
  [
    4,
    (state, [a, b, c]) => {
      const canAllRest = state.sandboxes.every((sandbox) => !(isHot(sandbox) && sandbox.isDeaf));
      const ways: (Upheaval & { do: "restart" })["how"][] = ["stop", "kill", "kill"];
      const how = of(canAllRest ? [...ways, "rest" as const] : ways, a);
      const without = how !== "rest" && b % 3 === 0 ? withMachine(state, c) : undefined;
      return { do: "restart", how, without };
    },
  ],
];

const users = Object.values(requests);
export const onMachines = { requests: users, ends, restarts };
const alone: [number, Recipe][] = [...users, ...ends, ...blows, ...passing, ...restarts];
const together: [number, Recipe][] = [...users, ...ends];

const dice: fc.Arbitrary<Dice> = fc.tuple(...([9999, 9999, 9999, 9999] as const).map((most) => fc.nat(most))) as fc.Arbitrary<Dice>;

function anyOf(recipes: [number, Recipe][]): fc.Arbitrary<Plan> {
  const weighted = recipes.map(([weight, recipe]) => ({ weight, arbitrary: fc.constant(recipe) }));
  return fc.tuple(fc.oneof(...weighted), dice).map(([recipe, thrown]) => ({
    make: (state: State) => recipe(state, thrown),
  }));
}

interface Plan {
  make(state: State): Operation | undefined;
}

export function singles(recipes = alone): fc.Arbitrary<Command> {
  return anyOf(recipes).map((plan) => new Single(plan));
}

export function pairs(): fc.Arbitrary<Command> {
  const later = fc.nat(6);
  return fc
    .tuple(anyOf(together), anyOf(together), later)
    .map(([first, second, steps]) => new Pair(first, second, steps));
}

export function kills(): fc.Arbitrary<Command> {
  return fc.tuple(anyOf(users), fc.nat(8)).map(([plan, steps]) => new Killed(plan, steps));
}

abstract class Base implements Command {
  #story = "";

  /** Undefined when there is nothing to do it to. */
  abstract plan(state: State): Operation[] | undefined;
  abstract act(model: Model, system: System, operations: Operation[]): Promise<void>;

  check({ state }: Readonly<Model>): boolean {
    return this.plan(state) !== undefined;
  }

  async run(model: Model, system: System): Promise<void> {
    const operations = this.plan(model.state);
    if (!operations) return;
    this.#story = operations.map(told).join(" | ");
    model.expected.count += operations.length;
    await this.act(model, system, operations);
  }

  toString(): string {
    return this.#story || "(not done)";
  }
}

class Single extends Base {
  readonly #plan: Plan;

  constructor(plan: Plan) {
    super();
    this.#plan = plan;
  }

  override plan(state: State): Operation[] | undefined {
    const operation = this.#plan.make(state);
    return operation && [operation];
  }

  override async act(model: Model, system: System, [operation]: Operation[]): Promise<void> {
    if (!operation) return;
    const possible = model.states.map((before) => {
      const { reply, state } = predict(before, operation);
      return { replies: [reply], state };
    });
    const reply = await system.perform(operation);
    const before = model.state;
    model.states = await settle(possible, [operation], [reply], system);
    model.expected.after(before, operation, reply);
  }
}

class Pair extends Base {
  readonly #plans: Plan[];
  readonly #later: number;

  constructor(first: Plan, second: Plan, later: number) {
    super();
    this.#plans = [first, second];
    this.#later = later;
  }

  override plan(state: State): Operation[] | undefined {
    const operations = this.#plans.flatMap((plan) => plan.make(state) ?? []);
    return operations.length === 2 ? operations : undefined;
  }

  override async act(model: Model, system: System, operations: Operation[]): Promise<void> {
    const [first, second] = operations;
    if (!first || !second) return;
    const possible = model.states.flatMap((state) => ofBoth(state, first, second));
    const replies = await system.performBoth(first, second, this.#later);
    model.states = await settle(possible, operations, replies, system);
    model.expected.forget();
  }
}

/** The daemon is killed while it is at it. */
class Killed extends Base {
  readonly #plan: Plan;
  readonly #later: number;

  constructor(plan: Plan, later: number) {
    super();
    this.#plan = plan;
    this.#later = later;
  }

  override plan(state: State): Operation[] | undefined {
    const operation = this.#plan.make(state);
    return operation && [operation, { do: "restart", how: "kill", without: undefined }];
  }

  override async act(model: Model, system: System, operations: Operation[]): Promise<void> {
    const [operation, kill] = operations;
    if (!operation || !kill) return;
    const possible = model.states.flatMap((state) => ofKilled(state, operation, kill));
    const replies = await system.performBoth(operation, kill, this.#later);
    model.states = await settle(possible, operations, replies, system);
    model.expected.forget();
  }
}

async function settle(
  possible: Possibility[],
  operations: Operation[],
  replies: Reply[],
  system: System,
): Promise<State[]> {
  const view = await system.look();
  const told = possible.filter((each) =>
    each.replies.every((expected, index) => {
      const reply = replies[index];
      return reply !== undefined && sameReply(expected, reply);
    }),
  );
  const fitted = told.map(({ state }) => fit(state, view));
  const found = fitted.filter((each) => typeof each !== "string");
  if (found.length > 0) return different(found);
  throw new Error(complaint(possible, operations, replies, fitted as string[], view));
}

function different(states: State[]): State[] {
  return [...new Map(states.map((state) => [JSON.stringify(state), state])).values()];
}

function complaint(
  possible: Possibility[],
  operations: Operation[],
  replies: Reply[],
  mismatches: string[],
  view: View,
): string {
  const lines = [
    operations.map(told).join(" | "),
    `replies: ${JSON.stringify(replies)}`,
    ...new Set(possible.map((each) => `allowed: ${JSON.stringify(each.replies)}`)),
    ...new Set(mismatches.map((mismatch) => `but then: ${mismatch}`)),
    `seen: ${JSON.stringify(view)}`,
  ];
  return lines.join("\n");
}
