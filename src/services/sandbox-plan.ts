/** From what a create asks for to what will be made: defaults filled in, then checked, without doing anything. */
import { maximumLabels } from "../contract/limits.ts";
import { minimumMemoryMB } from "../engine/machine-spec.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { TemplateRecord } from "../store/templates.ts";

export interface SandboxFile {
  path: string;
  mode: number;
  content: Uint8Array;
}

/** What a caller may leave out is undefined; sizes of 0 mean the default. */
export interface SandboxRequest {
  name?: string | undefined;
  /** Name or id of one of the user's templates. */
  template?: string | undefined;
  image?: string | undefined;
  cpus?: number | undefined;
  memoryMB?: number | undefined;
  diskSizeMB?: number | undefined;
  env?: Record<string, string> | undefined;
  init?: string | undefined;
  keepHot?: boolean | undefined;
  labels?: Record<string, string> | undefined;
  /** How long it may be idle until it is paused, and until it is put on disk; 0 is for ever. */
  idleWarmSeconds?: number | undefined;
  idleColdSeconds?: number | undefined;
  /** How long it lives; 0 is for ever. */
  ttlSeconds?: number | undefined;
  files?: SandboxFile[] | undefined;
}

export interface SandboxDefaults {
  image: string;
  cpus: number;
  memoryMB: number;
}

export interface SandboxPlan {
  /** Undefined: make one up. */
  name: string | undefined;
  /** What a name that is made up begins with. */
  nameStem: string;
  templateId: string | null;
  image: string;
  cpus: number;
  memoryMB: number;
  /** 0: the image's size. */
  diskSizeMB: number;
  env: Record<string, string>;
  init: string | undefined;
  keepHot: boolean;
  labels: Record<string, string>;
  /** Null: as the daemon is set. */
  idleWarmSeconds: number | null;
  idleColdSeconds: number | null;
  ttlSeconds: number | null;
  files: SandboxFile[];
}

/** The request's own values win over the template's, and those over the defaults. */
export function fillDefaults(
  request: SandboxRequest,
  template: TemplateRecord | undefined,
  defaults: SandboxDefaults,
): SandboxPlan {
  return {
    name: request.name,
    nameStem: template?.name ?? "sandbox",
    templateId: template?.id ?? null,
    image: request.image || template?.image || defaults.image,
    cpus: request.cpus ?? template?.cpus ?? defaults.cpus,
    memoryMB: request.memoryMB || template?.memoryMB || defaults.memoryMB,
    diskSizeMB: request.diskSizeMB || template?.diskSizeMB || 0,
    env: { ...template?.env, ...request.env },
    init: (request.init ?? template?.init) || undefined,
    keepHot: request.keepHot ?? template?.keepHot ?? false,
    labels: { ...template?.labels, ...request.labels },
    idleWarmSeconds: request.idleWarmSeconds ?? null,
    idleColdSeconds: request.idleColdSeconds ?? null,
    ttlSeconds: request.ttlSeconds ?? null,
    files: request.files ?? [],
  };
}

export function checkPlan(plan: SandboxPlan): void {
  checkMemory(plan.memoryMB);
  checkLabelCount(plan.labels);
}

/** Of all together: a request has no more, nor has a template, nor an edit. */
export function checkLabelCount(labels: Record<string, string>): void {
  const count = Object.keys(labels).length;
  if (count <= maximumLabels) return;
  throw new BhattiError(
    "bad_request",
    `labels: must be at most ${maximumLabels} labels, with those there are already (got ${count})`,
  );
}

export function checkMemory(memoryMB: number): void {
  if (memoryMB < minimumMemoryMB) {
    throw new BhattiError(
      "bad_request",
      `memory_mb: must be at least ${minimumMemoryMB}, below that a guest does not boot (got ${memoryMB})`,
    );
  }
}

/** The size that the disk will have. */
export function diskSizeOn(plan: SandboxPlan, imageSizeMB: number): number {
  if (plan.diskSizeMB === 0) return imageSizeMB;
  if (plan.diskSizeMB < imageSizeMB) {
    throw new BhattiError(
      "bad_request",
      `disk_size_mb: must be at least ${imageSizeMB}, the size of image "${plan.image}": disks only grow (got ${plan.diskSizeMB})`,
    );
  }
  return plan.diskSizeMB;
}
