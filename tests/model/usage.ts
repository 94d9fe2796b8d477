/** What it takes to use a sandbox, and what stands in the way. */
import { catalogue, type ErrorCode } from "../../src/errors/catalogue.ts";
import type { Reply } from "./operations.ts";
import {
  isCold,
  isHot,
  loseMemory,
  maxSandboxes,
  type Sandbox,
  type Snapshot,
  type State,
} from "./state.ts";

/** Thrown by what refuses an operation; what was changed before that stays. */
export class Refusal {
  readonly reply: Reply;

  constructor(code: ErrorCode) {
    this.reply = refusal(code);
  }
}

export function refusal(code: ErrorCode): Reply {
  return { status: catalogue[code].status, code };
}

export function byName(state: State, ref: string): Sandbox | undefined {
  return state.sandboxes.find(({ name }) => name === ref);
}

export function require(state: State, ref: string): Sandbox {
  const sandbox = byName(state, ref);
  if (!sandbox) throw new Refusal("sandbox_not_found");
  return sandbox;
}

export function requireSnapshot(state: State, ref: string): Snapshot {
  const snapshot = state.snapshots.find(({ name }) => name === ref);
  if (!snapshot) throw new Refusal("snapshot_not_found");
  return snapshot;
}

/** Makes it hot; `alone`: nobody asks its guest anything after that. */
export function use(state: State, ref: string, { alone = false } = {}): Sandbox {
  const sandbox = require(state, ref);
  sandbox.usedAt = state.now;
  sandbox.calmSince = state.now;
  if (!isHot(sandbox) || sandbox.isAsleep) wake(state, sandbox);
  if (!alone) ask(sandbox);
  return sandbox;
}

export function wake(state: State, sandbox: Sandbox): void {
  if (isCold(sandbox)) {
    if (sandbox.rest === "damaged") throw new Refusal("snapshot_damaged");
    if (sandbox.rest === "incompatible") loseMemory(sandbox);
    sandbox.status = ["running"];
  }
  sandbox.thermal = ["hot"];
  sandbox.mayBeSaved = false;
  sandbox.isAsleep = sandbox.isDeaf;
  sandbox.calmSince = state.now;
  ask(sandbox);
}

export function ask({ isDeaf }: Sandbox): void {
  if (isDeaf) throw new Refusal("guest_unresponsive");
}

/** A guest that runs is asked to stand still. */
export function capture(sandbox: Sandbox, kind: "full" | "filesystem"): void {
  if (isHot(sandbox)) {
    ask(sandbox);
    sandbox.isAsleep = false;
  }
  const isOff = isCold(sandbox) && sandbox.rest === "off";
  if (isOff && kind === "full") throw new Refusal("no_saved_state");
}

export function claim(state: State, names: string[]): void {
  if (state.sandboxes.length + names.length > maxSandboxes) throw new Refusal("sandbox_limit");
  for (const name of names) if (byName(state, name)) throw new Refusal("name_taken");
}

export function namesOf(name: string, count: number): string[] {
  return count === 1 ? [name] : Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
}
