/** Random operations as fast-check's commands: what they are done to is chosen when they run, of what there is then. */
import fc from "fast-check";
import { Expectations } from "./expectations.ts";
import { type Operation, type Reply, type System, told, type View } from "./operations.ts";
import { fit, ofBoth, ofKilled, ofOne, type Possibility, sameReply } from "./outcomes.ts";
import { predict } from "./predict.ts";
import {
  alone,
  type Dice,
  keys,
  paths,
  type Recipe,
  sandboxNames,
  together,
  users,
} from "./recipes.ts";
import { emptyState, type State } from "./state.ts";

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

  /** Every sandbox has what it should have, awake. */
  async readAll(system: System): Promise<void> {
    for (const { name: ref } of this.state.sandboxes) {
      await perform(this, system, { do: "start", ref, force: true });
      for (const path of paths) await perform(this, system, { do: "read", ref, path });
      for (const key of keys) await perform(this, system, { do: "recall", ref, key });
    }
  }

  get state(): State {
    const [state] = this.states;
    if (!state) throw new Error("the model is at its end");
    return state;
  }
}

type Command = fc.AsyncCommand<Model, System>;
const dice: fc.Arbitrary<Dice> = fc.tuple(
  ...([9999, 9999, 9999, 9999] as const).map((most) => fc.nat(most)),
) as fc.Arbitrary<Dice>;

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
    if (operation) await perform(model, system, operation);
  }
}

async function perform(model: Model, system: System, operation: Operation): Promise<void> {
  const possible = model.states.flatMap((state) => ofOne(state, operation));
  const reply = await system.perform(operation);
  const before = model.state;
  model.states = await settle(possible, [operation], [reply], system);
  model.expected.after(before, operation, reply);
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
    const [one, other] = this.#plans;
    const first = one?.make(state);
    if (!first) return undefined;
    // Now and then on what the first one is about to make.
    const second = other?.make(this.#later % 2 === 0 ? state : predict(state, first).state);
    return second && [first, second];
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
