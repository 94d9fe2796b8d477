/** From what a create asks for to what will be made: defaults filled in, then checked, without doing anything. */
import { maximumLabels } from "../contract/limits.ts";
import { mergedTraits, type SandboxTraits, unsetTraits } from "../contract/sandbox-traits.ts";
import { minimumMemoryMB } from "../engine/machine-spec.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { TemplateRecord } from "../store/templates.ts";

export interface SandboxFile {
  path: string;
  mode: number;
  content: Uint8Array;
}

/** Fields that a caller leaves out are absent. */
export interface SandboxRequest extends Partial<SandboxTraits> {
  name?: string | undefined;
  /** Name or id of one of the user's templates. */
  template?: string | undefined;
  /** Seconds from now until it is destroyed; 0 means never. */
  ttlSeconds?: number | undefined;
  files?: SandboxFile[] | undefined;
}

export interface SandboxDefaults {
  image: string;
  cpus: number;
  memoryMB: number;
}

/** A `diskSizeMB` of 0 stands for the image's size. */
export interface SandboxPlan extends SandboxTraits {
  /** Generated when undefined. */
  name: string | undefined;
  /** Beginning of a generated name. */
  nameStem: string;
  templateId: string | null;
  ttlSeconds: number | null;
  files: SandboxFile[];
}

/** The request's own values win over the template's, and those over the defaults; maps are merged. */
export function fillDefaults(
  request: SandboxRequest,
  template: TemplateRecord | undefined,
  defaults: SandboxDefaults,
): SandboxPlan {
  return {
    name: request.name,
    nameStem: template?.name ?? "sandbox",
    templateId: template?.id ?? null,
    ...mergedTraits(request, template ?? {}, { ...unsetTraits, ...defaults }),
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
    `labels: must be at most ${maximumLabels} labels in total (got ${count})`,
  );
}

export function checkMemory(memoryMB: number): void {
  if (memoryMB < minimumMemoryMB) {
    throw new BhattiError(
      "bad_request",
      `memory_mb: must be at least ${minimumMemoryMB}, the minimum to boot a guest (got ${memoryMB})`,
    );
  }
}

/** The size that the disk will have. */
export function diskSizeOn(plan: SandboxPlan, imageSizeMB: number): number {
  if (plan.diskSizeMB === 0) return imageSizeMB;
  if (plan.diskSizeMB < imageSizeMB) {
    throw new BhattiError(
      "bad_request",
      `disk_size_mb: must be at least ${imageSizeMB}, the size of image "${plan.image}" (got ${plan.diskSizeMB})`,
    );
  }
  return plan.diskSizeMB;
}
