/** Why a sandbox is as hot as it is, and what comes next. */
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { SandboxActor } from "./sandbox-actor.ts";
import type { Thermal } from "./sandbox-states.ts";

export interface ThermalSettings {
  /** 0: never. */
  warmAfterSeconds: number;
  coldAfterSeconds: number;
}

export interface Condition {
  thermal: Thermal | undefined;
  reason: string;
  next?: { thermal: "warm" | "cold" | "destroyed"; at: string };
}

/** `trouble` is why it is hotter than its idleness would have it. */
export function conditionOf(
  sandbox: SandboxRecord,
  actor: SandboxActor | undefined,
  settings: ThermalSettings,
  trouble: string | undefined,
): Condition {
  const { status } = sandbox;
  if (status === "creating") return { thermal: undefined, reason: "it is being created" };
  const expiry = expiryOf(sandbox);
  if (!actor?.machine) {
    const thermal = status === "unknown" ? undefined : "cold";
    const why = sandbox.statusReason ?? (status === "stopped" ? "it was stopped" : "it was idle");
    return withNext({ thermal, reason: why }, expiry);
  }
  const thermal = actor.machine.isPaused ? "warm" : "hot";
  const reason = reasonOf(sandbox, actor, trouble);
  return withNext({ thermal, reason }, coolingOf(sandbox, actor, settings) ?? expiry);
}

/** How long it may be idle, in milliseconds; 0: for ever. */
export function idleLimit(
  sandbox: SandboxRecord,
  thermal: "warm" | "cold",
  { warmAfterSeconds, coldAfterSeconds }: ThermalSettings,
): number {
  const seconds =
    thermal === "warm"
      ? (sandbox.idleWarmSeconds ?? warmAfterSeconds)
      : (sandbox.idleColdSeconds ?? coldAfterSeconds);
  return seconds * 1000;
}

export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function reasonOf(
  sandbox: SandboxRecord,
  { activity, machine }: SandboxActor,
  trouble: string | undefined,
): string {
  if (activity.isInUse) return `in use: ${activity.uses}`;
  if (trouble !== undefined) return trouble;
  if (machine?.isPaused) return `idle since ${iso(activity.lastAt)}`;
  if (sandbox.keepHot) return "keep_hot";
  return `${activity.lastWhat} at ${iso(activity.lastAt)}`;
}

function coolingOf(
  sandbox: SandboxRecord,
  actor: SandboxActor,
  settings: ThermalSettings,
): Condition["next"] {
  if (actor.activity.isInUse || sandbox.keepHot) return undefined;
  const thermal = actor.machine?.isPaused ? "cold" : "warm";
  const after = idleLimit(sandbox, thermal, settings);
  return after === 0 ? undefined : { thermal, at: iso(actor.activity.lastAt + after) };
}

function expiryOf({ expiresAt }: SandboxRecord): Condition["next"] {
  return expiresAt === null ? undefined : { thermal: "destroyed", at: expiresAt };
}

function withNext(condition: Condition, next: Condition["next"]): Condition {
  return next ? { ...condition, next } : condition;
}
