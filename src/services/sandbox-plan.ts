/** From what a create asks for to what will be made: defaults filled in, then checked, without doing anything. */
import { minimumMemoryMB } from "../engine/machine-spec.ts";
import { BhattiError } from "../errors/bhatti-error.ts";

export interface SandboxFile {
  path: string;
  mode: number;
  content: Uint8Array;
}

/** What a caller may leave out is undefined; sizes of 0 mean the default. */
export interface SandboxRequest {
  name?: string | undefined;
  image?: string | undefined;
  cpus?: number | undefined;
  memoryMB?: number | undefined;
  diskSizeMB?: number | undefined;
  env?: Record<string, string> | undefined;
  init?: string | undefined;
  keepHot?: boolean | undefined;
  labels?: Record<string, string> | undefined;
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
  image: string;
  cpus: number;
  memoryMB: number;
  /** 0: the image's size. */
  diskSizeMB: number;
  env: Record<string, string>;
  init: string | undefined;
  keepHot: boolean;
  labels: Record<string, string>;
  files: SandboxFile[];
}

export function fillDefaults(request: SandboxRequest, defaults: SandboxDefaults): SandboxPlan {
  return {
    name: request.name,
    image: request.image || defaults.image,
    cpus: request.cpus ?? defaults.cpus,
    memoryMB: request.memoryMB || defaults.memoryMB,
    diskSizeMB: request.diskSizeMB ?? 0,
    env: request.env ?? {},
    init: request.init || undefined,
    keepHot: request.keepHot ?? false,
    labels: request.labels ?? {},
    files: request.files ?? [],
  };
}

export function checkPlan(plan: SandboxPlan): void {
  if (plan.memoryMB < minimumMemoryMB) {
    throw new BhattiError(
      "bad_request",
      `memory_mb: must be at least ${minimumMemoryMB}, below that a guest does not boot (got ${plan.memoryMB})`,
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
