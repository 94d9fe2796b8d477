/** What can be done to sandboxes, and what can happen to them. */
import type { SnapshotKind } from "../../src/engine/engine.ts";

/** What a user asks for. */
export type Request =
  | { do: "create"; name: string }
  | { do: "write"; ref: string; path: string; text: string }
  | { do: "read"; ref: string; path: string }
  | { do: "remember"; ref: string; key: string; text: string }
  | { do: "recall"; ref: string; key: string }
  | { do: "stop"; ref: string }
  | { do: "start"; ref: string; force: boolean }
  | { do: "rename"; ref: string; name: string }
  | { do: "label"; ref: string; value: string }
  | { do: "keep-hot"; ref: string; on: boolean }
  | { do: "live"; ref: string; seconds: number }
  | { do: "keep"; ref: string; name: string; kind: SnapshotKind }
  | { do: "resume"; snapshot: string; name: string }
  | { do: "restore"; snapshot: string; ref: string }
  | { do: "drop"; snapshot: string }
  | { do: "fork"; ref: string; name: string; count: number }
  | { do: "destroy"; ref: string };

/** What happens to a machine, not to all of them at once. */
export type Blow =
  | { do: "crash"; ref: string }
  | { do: "power-off"; ref: string }
  | { do: "deafen"; ref: string; on: boolean }
  | { do: "damage"; ref: string; how: "damaged" | "incompatible" }
  | { do: "cool"; ref: string; to: "warm" | "cold" };

/** What happens to the daemon and everything that it looks after. */
export type Upheaval =
  | { do: "pass"; seconds: number }
  /** `rest`: machines are put away. `without`: a machine that ends meanwhile. */
  | { do: "restart"; how: "stop" | "kill" | "rest"; without: string | undefined };

export type Operation = Request | Blow | Upheaval;

export interface Reply {
  status: number;
  code?: string;
  output?: string;
}

/** What can be seen without waking anybody. */
export interface SeenSandbox {
  name: string;
  status: string;
  thermal: string | undefined;
  label: string | undefined;
  keepHot: boolean;
  /** Only where they can be looked at from outside. */
  files?: Record<string, string>;
  memory?: Record<string, string>;
}

export interface View {
  sandboxes: SeenSandbox[];
  snapshots: { name: string; kind: string }[];
}

/** The real thing. */
export interface System {
  perform(operation: Operation): Promise<Reply>;
  /** `others`: how many steps later the second one begins. */
  performBoth(first: Operation, second: Operation, later: number): Promise<[Reply, Reply]>;
  /** Throws when the system contradicts itself. */
  look(): Promise<View>;
}

export function told(operation: Operation): string {
  const { do: verb, ...rest } = operation;
  const words = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
  return [verb, ...words].join(" ");
}
