/** From random numbers to operations: on what there is, mostly, and now and then on what there is not. */
import type { Operation, Request } from "./operations.ts";
import { isCold, isHot, isUnknown, type State } from "./state.ts";

/** Random numbers, from which an operation is made. */
export type Dice = [number, number, number, number];
export type Recipe = (state: State, dice: Dice) => Operation | undefined;

export const sandboxNames = ["a", "b", "c", "d"];
const snapshotNames = ["s", "t", "u"];
export const paths = ["/workspace/x", "/workspace/y"];
export const keys = ["k", "l"];

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
      key: of(keys, b),
      text: `${c % 100}`,
    }),
  ],
  recall: [2, (s, [a, b]) => ({ do: "recall", ref: sandboxOf(s, a), key: of(keys, b) })],
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
  [3, restarted],
  [1, (s) => (canAllRest(s) ? { do: "restart", how: "rest", without: undefined } : undefined)],
];

function restarted(state: State, [a, b, c]: Dice): Operation {
  const without = b % 3 === 0 ? withMachine(state, c) : undefined;
  return { do: "restart", how: of(["stop", "kill", "kill"] as const, a), without };
}

/** A guest that does not answer is waited for. */
function canAllRest({ sandboxes }: State): boolean {
  return sandboxes.every((sandbox) => !(isHot(sandbox) && sandbox.isDeaf));
}

function cooled(state: State, [a, b]: Dice): Operation | undefined {
  const idle = state.sandboxes.filter((each) => !isCold(each) && !isUnknown(each) && !each.keepHot);
  if (idle.length === 0) return undefined;
  const sandbox = of(idle, a);
  return { do: "cool", ref: sandbox.name, to: isHot(sandbox) && b % 2 === 0 ? "warm" : "cold" };
}

export const users = Object.values(requests);
export const alone: [number, Recipe][] = [...users, ...ends, ...blows, ...passing, ...restarts];
/** What real machines can be made to go through in a short time. */
const { live: _, ...soon } = requests;
export const onMachines: [number, Recipe][] = [
  ...Object.values(soon),
  [2, (s, [a]) => onMachine(withMachine(s, a), (ref) => ({ do: "crash", ref }))],
  [3, cooled],
  [3, restarted],
];
export const together: [number, Recipe][] = [...users, ...ends];
