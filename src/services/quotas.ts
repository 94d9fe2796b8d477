/** What a user may have, as pure functions of the limits, what there is, and what is asked for. */
import { maximumTemplateBytes, maximumTemplates } from "../contract/limits.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { TemplateUsage } from "../store/templates.ts";
import type { User } from "../store/users.ts";

export interface AskedResources {
  cpus: number;
  memoryMB: number;
}

export function checkSandboxCount(user: User, count: number, asked = 1): void {
  if (count + asked <= user.maxSandboxes) return;
  const more = asked > 1 ? `, requested ${asked} more` : "";
  throw new BhattiError(
    "sandbox_limit",
    `sandbox limit reached (${count}/${user.maxSandboxes})${more}`,
  );
}

/** Totals of a user, with the additions of the request. */
export function checkTemplateUsage({ count, bytes }: TemplateUsage): void {
  if (count > maximumTemplates) {
    throw new BhattiError("template_limit", `template limit reached (${maximumTemplates})`);
  }
  if (bytes > maximumTemplateBytes) {
    throw new BhattiError(
      "template_limit",
      `env and init of all your templates would take ${bytes} bytes: the limit is ${maximumTemplateBytes}`,
    );
  }
}

/** Limits on one sandbox, as opposed to all that a user has. */
export function checkSandboxSize(user: User, asked: AskedResources): void {
  checkLimit("cpus", asked.cpus, user.maxCpus, "your limit");
  checkLimit("memory_mb", asked.memoryMB, user.maxMemoryMB, "your limit");
}

function checkLimit(field: string, value: number, limit: number, what: string): void {
  if (value <= limit) return;
  throw new BhattiError("quota_exceeded", `${field}: ${value} exceeds ${what} of ${limit}`);
}
