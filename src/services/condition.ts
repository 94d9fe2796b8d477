/** Why a sandbox is as hot as it is, and what comes next. */
import type { ListedSandbox } from "../store/sandboxes.ts";
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

interface Seen {
  /** Why it is hotter than its idleness would have it. */
  trouble: string | undefined;
  /** Number of commands that run in the guest; 0 if unknown. They keep it hot, but no client waits for detached ones. */
  commands: number;
}

export function conditionOf(
  sandbox: ListedSandbox,
  actor: SandboxActor | undefined,
  settings: ThermalSettings,
  seen: Seen,
): Condition {
  const { status } = sandbox;
  if (status === "creating") return { thermal: undefined, reason: "being created" };
  const expiry = expiryOf(sandbox);
  if (!actor?.machine) {
    const thermal = status === "unknown" ? undefined : "cold";
    return withNext({ thermal, reason: restReasonOf(sandbox, actor) }, expiry);
  }
  const thermal = actor.machine.isPaused ? "warm" : "hot";
  const reason = reasonOf(sandbox, actor, seen);
  const next = seen.commands > 0 ? undefined : nextOf(sandbox, actor, settings);
  return withNext({ thermal, reason }, earlier(next, expiry));
}

export interface Cooling {
  to: "warm" | "cold";
  /** How long it has to be idle for that, in milliseconds. */
  afterMs: number;
}

/** Returns the next transition of an idle sandbox. Skips warm if cold is due no later. */
export function coolingOf(
  sandbox: ListedSandbox,
  machine: { isPaused: boolean },
  { warmAfterSeconds, coldAfterSeconds }: ThermalSettings,
): Cooling | undefined {
  if (sandbox.keepHot) return undefined;
  const warm = sandbox.idleWarmSeconds ?? warmAfterSeconds;
  const cold = sandbox.idleColdSeconds ?? coldAfterSeconds;
  const isColdNext = machine.isPaused || warm === 0 || (cold > 0 && cold <= warm);
  const seconds = isColdNext ? cold : warm;
  if (seconds === 0) return undefined;
  return { to: isColdNext ? "cold" : "warm", afterMs: seconds * 1000 };
}

export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function reasonOf(
  sandbox: ListedSandbox,
  { activity, machine }: SandboxActor,
  { trouble, commands }: Seen,
): string {
  if (machine?.isStalled) return "paused because the host's disk is full";
  if (activity.isInUse) return `in use: ${activity.uses}`;
  if (trouble !== undefined) return trouble;
  if (machine?.isPaused) return `idle since ${iso(activity.lastAt)}`;
  if (sandbox.keepHot) return "keep hot";
  if (commands > 0) return commands === 1 ? "running a command" : `running ${commands} commands`;
  return `${activity.lastWhat} at ${iso(activity.lastAt)}`;
}

/** Of one without a machine. */
function restReasonOf({ status, statusReason }: ListedSandbox, actor?: SandboxActor): string {
  if (actor?.failure) return `wake failed: ${actor.failure.error.message}`;
  return statusReason ?? (status === "stopped" ? "stopped" : "suspended");
}

function nextOf(
  sandbox: ListedSandbox,
  { activity, machine }: SandboxActor,
  settings: ThermalSettings,
): Condition["next"] {
  const cooling = machine && !activity.isInUse && coolingOf(sandbox, machine, settings);
  return cooling ? { thermal: cooling.to, at: iso(activity.lastAt + cooling.afterMs) } : undefined;
}

function earlier(a: Condition["next"], b: Condition["next"]): Condition["next"] {
  if (!a || !b) return a ?? b;
  return a.at < b.at ? a : b;
}

function expiryOf({ expiresAt }: ListedSandbox): Condition["next"] {
  return expiresAt === null ? undefined : { thermal: "destroyed", at: expiresAt };
}

function withNext(condition: Condition, next: Condition["next"]): Condition {
  return next ? { ...condition, next } : condition;
}
