/** What sandboxes and snapshots are for whoever uses them: a model without machines, daemons and databases. */
import type { SnapshotKind } from "../../src/engine/engine.ts";

export type Status = "running" | "stopped" | "unknown";
export type Thermal = "hot" | "warm" | "cold";
export type Values = Record<string, string>;

export interface Sandbox {
  /** Stays, whatever it is called. */
  key: number;
  name: string;
  label: string | undefined;
  keepHot: boolean;
  /** One of these; when that has been looked at, the one that it is. */
  status: Status[];
  thermal: Thermal[];
  files: Values;
  memory: Values;
  /** Of one that is cold: what is left of its machine. */
  rest: "suspended" | "off" | "damaged" | "incompatible";
  /** Its saved state may be as good as before although it is warm: nobody came to use it. */
  mayBeSaved: boolean;
  isDeaf: boolean;
  /** Its processors run, its processes may not. */
  isAsleep: boolean;
  /** In seconds. It may seem to have been idle for longer than it was: minus infinity when nobody knows. */
  usedAt: number;
  /** Since when the daemon has been able to look after it undisturbed. */
  calmSince: number;
  expiresAt: number | undefined;
}

export interface Snapshot {
  name: string;
  kind: SnapshotKind;
  source: number;
  label: string | undefined;
  files: Values;
  memory: Values;
}

export interface State {
  /** In seconds. */
  now: number;
  made: number;
  sandboxes: Sandbox[];
  snapshots: Snapshot[];
}

export const maxSandboxes = 5;
export const maxSnapshots = 2;
export const warmAfter = 30;
export const coldAfter = 1800;
/** The daemon looks at a guest twice, and waits after it has failed to. */
const patience = 120;

export function emptyState(): State {
  return { now: 0, made: 0, sandboxes: [], snapshots: [] };
}

export function newSandbox(state: State, name: string, like?: Partial<Sandbox>): Sandbox {
  state.made += 1;
  const sandbox: Sandbox = {
    key: state.made,
    name,
    label: undefined,
    keepHot: false,
    status: ["running"],
    thermal: ["hot"],
    files: {},
    memory: {},
    rest: "suspended",
    mayBeSaved: false,
    isDeaf: false,
    isAsleep: false,
    usedAt: state.now,
    calmSince: state.now,
    expiresAt: undefined,
    ...like,
  };
  state.sandboxes.push(sandbox);
  return sandbox;
}

export function isOneOf<T>(allowed: T[], ...values: T[]): boolean {
  return allowed.every((value) => values.includes(value));
}

export const isHot = ({ thermal }: Sandbox) => isOneOf(thermal, "hot");
export const isCold = ({ thermal }: Sandbox) => isOneOf(thermal, "cold");
export const isUnknown = ({ status }: Sandbox) => isOneOf(status, "unknown");

/** Time has passed: who was idle for long enough has cooled. */
export function cool(state: State, sandbox: Sandbox): void {
  if (sandbox.keepHot || isCold(sandbox) || isUnknown(sandbox)) return;
  const idle = state.now - sandbox.usedAt;
  const calm = state.now - Math.max(sandbox.usedAt, sandbox.calmSince);
  const ways = sandbox.thermal.flatMap((from) =>
    from === "hot" && sandbox.isDeaf ? from : coolerThan(from, idle, calm),
  );
  sandbox.thermal = [...new Set(ways)];
  sandbox.rest = "suspended";
}

function coolerThan(from: Thermal, idle: number, calm: number): Thermal[] {
  const found: Thermal[] = [];
  const mustBeWarm = from !== "hot" || calm >= warmAfter + patience;
  const mayBeWarm = from !== "hot" || idle >= warmAfter;
  if (!mustBeWarm) found.push("hot");
  if (mayBeWarm && calm < coldAfter + patience) found.push("warm");
  if (mayBeWarm && idle >= coldAfter) found.push("cold");
  return found;
}

/** Its machine has come to rest with all that it had. */
export function suspend(sandbox: Sandbox): void {
  sandbox.thermal = ["cold"];
  sandbox.rest = "suspended";
  sandbox.mayBeSaved = false;
}

/** Its machine has ended, and its memory with it. */
export function loseMemory(sandbox: Sandbox): void {
  sandbox.memory = {};
  sandbox.thermal = ["cold"];
  sandbox.rest = "off";
  sandbox.mayBeSaved = false;
  sandbox.isDeaf = false;
  sandbox.isAsleep = false;
}
