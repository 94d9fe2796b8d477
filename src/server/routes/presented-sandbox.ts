/** A sandbox as the API shows it, whichever endpoint it comes from. */
import { traitsToWire } from "../../contract/sandbox-traits.ts";
import type { Sandbox } from "../../contract/sandboxes.ts";
import type { ListedSandbox, Sandboxes, Usage } from "../../services/sandboxes.ts";
import type { ShareRecord, Shares } from "../../services/shares.ts";

/** `commands`: the number of commands that run in the guest, if known. */
export type Present = (sandbox: ListedSandbox, commands?: number) => Sandbox;

export interface PresenterOptions {
  sandboxes: Sandboxes;
  shares: Shares;
}

export function sandboxPresenter({ sandboxes, shares }: PresenterOptions): Present {
  return (sandbox, commands) => {
    const { thermal, ...activity } = sandboxes.condition(sandbox, commands);
    const share = shares.of(sandbox.id);
    return {
      id: sandbox.id,
      name: sandbox.name,
      template_id: sandbox.templateId ?? "",
      engine_id: sandbox.engineId ?? "",
      status: sandbox.status,
      ...(thermal && { thermal }),
      activity,
      ip: sandboxes.addressOf(sandbox.id) ?? "",
      urls: [],
      engine_meta: sandbox.statusReason === null ? {} : { reason: sandbox.statusReason },
      created_by: sandbox.userId,
      created_at: sandbox.createdAt,
      ...(sandbox.stoppedAt !== null && { stopped_at: sandbox.stoppedAt }),
      ...traitsToWire(sandbox),
      ...(sandbox.expiresAt !== null && { expires_at: sandbox.expiresAt }),
      ...(share && { share: presentedShare(share) }),
    };
  };
}

function presentedShare({ readOnly, expiresAt }: ShareRecord): Sandbox["share"] {
  return {
    ...(readOnly && { read_only: true }),
    ...(expiresAt !== null && { expires_at: expiresAt }),
  };
}

const bytesPerMB = 1_048_576;

export function presentedUsage(usage: Usage): Sandbox["usage"] {
  const { diskTotal, diskUsed, memoryTotal, memoryAvailable, at } = usage;
  const megabytes = (bytes: number) => Math.round(Math.max(bytes, 0) / bytesPerMB);
  return {
    disk_used_mb: megabytes(diskUsed),
    disk_free_mb: megabytes(diskTotal - diskUsed),
    memory_used_mb: megabytes(memoryTotal - memoryAvailable),
    memory_free_mb: megabytes(memoryAvailable),
    at,
  };
}

/** What could not be kept of it is said beside the sandbox. */
export function warningHeaders(warning: string | null | undefined): Record<string, string> {
  return warning ? { "X-Bhatti-Warning": headerLine(warning) } : {};
}

/** The one line that a header holds. */
export function headerLine(text: string): string {
  return text.replace(/[^\x21-\x7e]+/g, " ");
}
