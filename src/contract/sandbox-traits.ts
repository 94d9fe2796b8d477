/**
 * The settings of a sandbox, one line each. Requests, responses, the tables, templates, snapshots, forks and edits
 * derive from this list; `tests/contract.test.ts` holds the endpoints' schemas to it.
 */

interface Trait {
  /** On the wire and in the tables. */
  name: string;
  kind: keyof Kinds;
  /** Stored in these too, beside the sandbox. */
  in: readonly ("template" | "snapshot")[];
  /** Not part of a sandbox's answers. */
  hidden?: true;
}

/** The types of the values. Null means that the daemon's own setting applies. */
interface Kinds {
  text: string;
  whole: number;
  flag: boolean;
  map: Record<string, string>;
  "optional text": string | null;
  "optional whole": number | null;
}

export const sandboxTraits = {
  image: { name: "image", kind: "text", in: ["template", "snapshot"] },
  cpus: { name: "cpus", kind: "whole", in: ["template", "snapshot"] },
  memoryMB: { name: "memory_mb", kind: "whole", in: ["template", "snapshot"] },
  diskSizeMB: { name: "disk_size_mb", kind: "whole", in: ["template", "snapshot"] },
  env: { name: "env", kind: "map", in: ["template", "snapshot"], hidden: true },
  init: { name: "init", kind: "optional text", in: ["template", "snapshot"], hidden: true },
  labels: { name: "labels", kind: "map", in: ["template", "snapshot"] },
  keepHot: { name: "keep_hot", kind: "flag", in: ["template"] },
  /** Seconds without use until it is paused; 0 means never. */
  idleWarmSeconds: { name: "idle_warm_s", kind: "optional whole", in: [] },
  /** Seconds without use until its memory goes to the disk; 0 means never. */
  idleColdSeconds: { name: "idle_cold_s", kind: "optional whole", in: [] },
} as const satisfies Record<string, Trait>;

type Traits = typeof sandboxTraits;
export type TraitKey = keyof Traits;
export type TraitKind = keyof Kinds;

export type SandboxTraits = { [K in TraitKey]: Kinds[Traits[K]["kind"]] };

type KeyIn<Place extends "template" | "snapshot"> = {
  [K in TraitKey]: Place extends Traits[K]["in"][number] ? K : never;
}[TraitKey];

/** The part of the settings that a snapshot keeps. */
export type SnapshotTraits = Pick<SandboxTraits, KeyIn<"snapshot">>;

/** The part of the settings that a template has; null for those that it leaves to the daemon's defaults. */
export type TemplateTraits = {
  [K in KeyIn<"template">]: Traits[K]["kind"] extends "text" | "whole"
    ? SandboxTraits[K] | null
    : SandboxTraits[K];
};

/** As in requests: every field is optional. */
export type WireTraits = {
  [K in TraitKey as Traits[K]["name"]]?: SandboxTraits[K] | undefined;
};

export const traitKeys = Object.keys(sandboxTraits) as TraitKey[];

export function traitKeysIn(place: "template" | "snapshot"): TraitKey[] {
  return traitKeys.filter((key) => (sandboxTraits[key] as Trait).in.includes(place));
}

/** Picks the settings from a larger object. */
export function traitsOf(from: SandboxTraits): SandboxTraits {
  return picked(from, traitKeys) as SandboxTraits;
}

export function snapshotTraitsOf(from: SnapshotTraits): SnapshotTraits {
  return picked(from, traitKeysIn("snapshot")) as SnapshotTraits;
}

/** The settings that a template keeps of a request. */
export function templateTraitsOf(request: Partial<SandboxTraits>): TemplateTraits {
  const unset = { ...unsetTraits, image: null, cpus: null, memoryMB: null, diskSizeMB: null };
  return picked({ ...unset, ...setOf(request) }, traitKeysIn("template")) as TemplateTraits;
}

const unsetByKind: Kinds = {
  text: "",
  whole: 0,
  flag: false,
  map: {},
  "optional text": null,
  "optional whole": null,
};

/** Default settings of a sandbox. */
export const unsetTraits = Object.fromEntries(
  traitKeys.map((key) => [key, unsetByKind[sandboxTraits[key].kind]]),
) as unknown as SandboxTraits;

/** The first of the values that is set wins, for each setting; maps are merged instead. */
export function mergedTraits(
  first: Partial<SandboxTraits>,
  second: Partial<TemplateTraits>,
  last: SandboxTraits,
): SandboxTraits {
  const [over, under] = [setOf(first), setOf(second)];
  const merged = Object.fromEntries(
    traitKeys
      .filter((key) => sandboxTraits[key].kind === "map")
      .map((key) => [key, { ...Object(last[key]), ...Object(under[key]), ...Object(over[key]) }]),
  );
  return { ...last, ...under, ...over, ...merged } as SandboxTraits;
}

/** Omits settings with default values. A flag and a number of seconds always count. */
function setOf(traits: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(traits).filter(([key, value]) => {
      if (!(key in sandboxTraits) || value === undefined || value === null || value === "") {
        return false;
      }
      return value !== 0 || sandboxTraits[key as TraitKey].kind === "optional whole";
    }),
  );
}

function picked(from: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}

/** The settings in a request, by the names that they have in the program; absent ones are left out. */
export function traitsFromWire(body: WireTraits): Partial<SandboxTraits> {
  const values = body as Record<string, unknown>;
  return Object.fromEntries(
    traitKeys
      .map((key) => [key, values[sandboxTraits[key].name]])
      .filter(([, value]) => value !== undefined),
  );
}

/** A sandbox's settings as its answers show them, without those that the daemon decides and without empty maps. */
export function traitsToWire(traits: Pick<SandboxTraits, ShownKey>): ShownTraits {
  const isShown = (key: TraitKey): key is ShownKey => !("hidden" in sandboxTraits[key]);
  const shown = traitKeys.filter(isShown);
  return Object.fromEntries(
    shown
      .map((key) => [sandboxTraits[key].name, traits[key]] as const)
      .filter(([, value]) => value !== null && !isEmptyMap(value)),
  ) as ShownTraits;
}

type ShownKey = {
  [K in TraitKey]: Traits[K] extends { hidden: true } ? never : K;
}[TraitKey];
type MayBeAbsent = "map" | "optional text" | "optional whole";

export type ShownTraits = {
  [K in ShownKey as Traits[K]["kind"] extends MayBeAbsent
    ? never
    : Traits[K]["name"]]: SandboxTraits[K];
} & {
  [K in ShownKey as Traits[K]["kind"] extends MayBeAbsent
    ? Traits[K]["name"]
    : never]?: NonNullable<SandboxTraits[K]>;
};

function isEmptyMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
