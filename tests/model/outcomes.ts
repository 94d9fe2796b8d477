/** Which outcomes are right: one of an operation alone, several of two at once or of one that is cut short. */
import type { Operation, Reply, SeenSandbox, View } from "./operations.ts";
import { predict } from "./predict.ts";
import { isCold, loseMemory, type Sandbox, type State, suspend } from "./state.ts";
import { namesOf, refusal } from "./usage.ts";

/** Replies are in the order of the operations. */
export interface Possibility {
  replies: (Reply | "any")[];
  state: State;
}

type Verb = Operation["do"];
type Code = Parameters<typeof refusal>[0];

const uses: Verb[] = ["write", "read", "remember", "recall"];
const claims: Verb[] = ["create", "keep", "resume", "fork"];
const makes: Verb[] = ["create", "resume", "fork"];
const snapshotUses: Verb[] = ["resume", "restore"];
const ends: Verb[] = ["crash", "power-off"];
const lost: Code[] = ["machine_lost", "machine_failed", "guest_unresponsive", "no_saved_state"];

/** Both of two at once: as if one came after the other, or one was cut short by the other. */
export function ofBoth(state: State, first: Operation, second: Operation): Possibility[] {
  const found: Possibility[] = [];
  for (const isSwapped of [false, true]) {
    const [a, b] = isSwapped ? [second, first] : [first, second];
    const add = (state: State, ...replies: Possibility["replies"]) =>
      void found.push({ state, replies: isSwapped ? replies.toReversed() : replies });
    const one = predict(state, a);
    const both = predict(one.state, b);
    add(both.state, one.reply, both.reply);
    const other = predict(state, b);
    // The second goes through, the first is cut short by it: before it did anything, in the middle, or after all.
    for (const code of interruptions(a, b)) {
      add(ends.includes(b.do) ? loosened(other.state, a) : other.state, refusal(code), other.reply);
      add(both.state, refusal(code), both.reply);
      const late = predict(other.state, a);
      if (late.reply.status < 300) add(late.state, refusal(code), other.reply);
    }
    if (takesChild(a, b)) add(state, refusal("cancelled"), both.reply);
    if (isSameEnd(a, b)) add(one.state, one.reply, one.reply);
  }
  return found;
}

function isSameEnd(a: Operation, b: Operation): boolean {
  return a.do === b.do && (a.do === "destroy" || a.do === "drop");
}

/** All children or none. */
function takesChild(a: Operation, b: Operation): boolean {
  return a.do === "fork" && b.do === "destroy" && namesOf(a.name, a.count).includes(b.ref);
}

/** What `a` may be told instead because `b` was done at the same time. */
function interruptions(a: Operation, b: Operation): Code[] {
  const codes: Code[] = [];
  const disturbs = ["stop", "restore", "destroy", "start", ...ends];
  if (uses.includes(a.do) && disturbs.includes(b.do)) {
    codes.push("machine_lost", "sandbox_not_found", "sandbox_not_running", "guest_unresponsive");
  }
  if (makes.includes(b.do)) codes.push("sandbox_not_running");
  if (b.do === "destroy") codes.push("sandbox_not_running", "sandbox_not_found", "cancelled");
  if (ends.includes(b.do)) codes.push(...lost);
  if (b.do === "drop") codes.push("snapshot_not_found");
  if (a.do === "drop" && snapshotUses.includes(b.do)) codes.push("snapshot_in_use");
  if (claims.includes(a.do) && claims.includes(b.do)) {
    codes.push("name_taken", "sandbox_limit", "snapshot_exists", "snapshot_limit");
  }
  return codes;
}

/** It alone. A machine that ends may have come back for nobody yet, and then it is as if it had not come back. */
export function ofOne(state: State, operation: Operation): Possibility[] {
  const victim =
    operation.do === "crash"
      ? operation.ref
      : operation.do === "restart"
        ? operation.without
        : undefined;
  const unused = structuredClone(state);
  for (const sandbox of unused.sandboxes) {
    if (sandbox.name === victim && sandbox.mayBeSaved) suspend(sandbox);
  }
  return [state, unused].map((start) => {
    const { reply, state: after } = predict(start, operation);
    return { replies: [reply], state: after };
  });
}

/** The daemon is killed in the middle: it was done, or not, or half; nothing is lost but what it was to lose. */
export function ofKilled(state: State, operation: Operation, kill: Operation): Possibility[] {
  const after = predict(state, operation);
  const starts = [state, after.state];
  if (operation.do === "fork" && after.reply.status === 201) {
    starts.push(...partsOf(state, after.state, namesOf(operation.name, operation.count)));
  }
  if (operation.do === "start" && operation.force) {
    const halted = structuredClone(state);
    for (const sandbox of halted.sandboxes) if (sandbox.name === operation.ref) loseMemory(sandbox);
    starts.push(halted);
  }
  if (operation.do === "keep-hot") {
    const edited = structuredClone(state); // but not woken
    for (const each of edited.sandboxes)
      if (each.name === operation.ref) each.keepHot = operation.on;
    starts.push(edited);
  }
  return starts.map((start) => {
    const killed = loosened(predict(start, kill).state, operation);
    return { state: killed, replies: ["any", { status: 200 }] };
  });
}

/** What it was done to is in whichever state of those that it went through. */
function loosened(state: State, operation: Operation): State {
  const target = "ref" in operation ? operation.ref : undefined;
  const sandboxes = state.sandboxes.map((sandbox): Sandbox => {
    if (sandbox.name !== target) return sandbox;
    const status = [...new Set([...sandbox.status, "running" as const, "stopped" as const])];
    const rest = isCold(sandbox) ? sandbox.rest : "suspended";
    const mayBeSaved = sandbox.mayBeSaved || isCold(sandbox);
    return { ...sandbox, rest, mayBeSaved, status, thermal: ["hot", "warm", "cold"] };
  });
  return { ...state, sandboxes };
}

/** Some of the children are there, others are not. */
function partsOf(before: State, after: State, names: string[]): State[] {
  return Array.from({ length: 2 ** names.length }, (_, bits) => {
    const wanted = names.filter((_, index) => bits & (1 << index));
    const isThere = ({ name }: Sandbox) => !names.includes(name) || wanted.includes(name);
    return { ...after, snapshots: before.snapshots, sandboxes: after.sandboxes.filter(isThere) };
  });
}

/** The state with everything narrowed to what was seen, or what of it is not so. */
export function fit(state: State, view: View): State | string {
  const seen = new Map(view.sandboxes.map((sandbox) => [sandbox.name, sandbox]));
  const names = state.sandboxes.map(({ name }) => name);
  if (!sameWords(names, [...seen.keys()])) return `sandboxes: expected ${names.sort()}`;
  const kept = (snapshots: { name: string; kind: string }[]) =>
    snapshots.map(({ name, kind }) => `${name}/${kind}`);
  if (!sameWords(kept(state.snapshots), kept(view.snapshots))) {
    return `snapshots: expected ${kept(state.snapshots).sort()}`;
  }
  const fitted = structuredClone(state);
  for (const sandbox of fitted.sandboxes) {
    const found = seen.get(sandbox.name);
    const trouble = found && difference(sandbox, found);
    if (trouble !== undefined) return `${sandbox.name}: expected ${trouble}`;
    if (found) narrow(sandbox, found);
  }
  return fitted;
}

function difference(sandbox: Sandbox, seen: SeenSandbox): string | undefined {
  const { status, label, keepHot, files, memory } = sandbox;
  if (!status.some((each) => each === seen.status)) return `status ${status}`;
  const thermal = seen.status === "unknown" ? [undefined] : sandbox.thermal;
  if (!thermal.some((each) => each === seen.thermal)) return `thermal ${thermal}`;
  if (label !== seen.label) return `label ${label}`;
  if (keepHot !== seen.keepHot) return `keep_hot ${keepHot}`;
  if (seen.files && !Bun.deepEquals(files, seen.files)) return `files ${JSON.stringify(files)}`;
  if (seen.memory && !Bun.deepEquals(memory, seen.memory)) {
    return `memory ${JSON.stringify(memory)}`;
  }
  return undefined;
}

function narrow(sandbox: Sandbox, { status, thermal }: SeenSandbox): void {
  sandbox.status = sandbox.status.filter((each) => each === status);
  if (thermal === undefined) loseMemory(sandbox);
  else sandbox.thermal = sandbox.thermal.filter((each) => each === thermal);
}

function sameWords(some: string[], others: string[]): boolean {
  return Bun.deepEquals(some.toSorted(), others.toSorted());
}

export function sameReply(expected: Reply | "any", reply: Reply): boolean {
  if (expected === "any") return true;
  const { status, code, output } = expected;
  const sameOutput = output === undefined || output === reply.output;
  return status === reply.status && code === reply.code && sameOutput;
}
