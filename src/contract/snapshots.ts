/** The snapshot endpoints: create, list, get, delete, resume, restore. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { SandboxName, SandboxRef } from "./names.ts";
import { Sandbox, wakeErrors } from "./sandboxes.ts";

/** A name or an id, wherever a path names a snapshot. */
const SnapshotRef = z.object({ ref: z.string().min(1) });

export const SnapshotType = z.enum(["full", "filesystem"]);

export const CreateSnapshot = z.strictObject({
  name: SandboxName,
  type: z
    .enum([...SnapshotType.options, "memory"])
    .transform((type) => (type === "memory" ? "full" : type))
    .default("full")
    .describe("full or memory: memory and disk; filesystem: the disk alone"),
});

export const ResumeSnapshot = z.strictObject({ name: SandboxName.optional() }).prefault({});

export const RestoreSnapshot = z.strictObject({
  sandbox: z.string().min(1).describe("Name or id of the sandbox to put back"),
});

export const Snapshot = z.object({
  id: z.string(),
  user_id: z.string(),
  name: z.string(),
  type: SnapshotType,
  source_sandbox: z.string().describe("Its name at the time; it may be gone since"),
  source_sandbox_id: z.string(),
  size_mb: z.int().describe("What it takes on the daemon's disk"),
  paused_ms: z.number().describe("How long its source stood still for it"),
  cpus: z.int(),
  memory_mb: z.int(),
  disk_size_mb: z.int(),
  image: z.string(),
  created_at: z.string().describe("RFC 3339, UTC"),
});
export type Snapshot = z.infer<typeof Snapshot>;

/** What can be in the way of making a machine of it. */
const resumeErrors = ["snapshot_not_found", ...wakeErrors] as const;

export const snapshotEndpoints = {
  "snapshot.create": endpoint("snapshot.create", {
    isOperation: true,
    summary: "Keep a sandbox as it is now; it runs on",
    params: SandboxRef,
    body: CreateSnapshot,
    result: Snapshot,
    status: 201,
    rate: "create",
    errors: [
      "sandbox_not_found",
      "snapshot_exists",
      "snapshot_limit",
      "too_many_layers",
      "guest_busy",
      ...wakeErrors,
    ],
  }),
  "snapshot.list": endpoint("snapshot.list", {
    summary: "List your snapshots",
    result: z.array(Snapshot),
    errors: [],
  }),
  "snapshot.get": endpoint("snapshot.get", {
    summary: "Show one snapshot",
    params: SnapshotRef,
    result: Snapshot,
    errors: ["snapshot_not_found"],
  }),
  "snapshot.delete": endpoint("snapshot.delete", {
    summary: "Delete a snapshot; the sandboxes made from it stay",
    params: SnapshotRef,
    result: z.object({ status: z.literal("deleted") }),
    errors: ["snapshot_not_found", "snapshot_in_use", "disk_full"],
  }),
  "snapshot.resume": endpoint("snapshot.resume", {
    isOperation: true,
    summary:
      "Make a new sandbox that goes on from it; X-Bhatti-Warning says what of it could not be kept",
    params: SnapshotRef,
    body: ResumeSnapshot,
    result: Sandbox,
    status: 201,
    rate: "create",
    errors: ["name_taken", "sandbox_limit", "quota_exceeded", ...resumeErrors],
  }),
  "snapshot.restore": endpoint("snapshot.restore", {
    isOperation: true,
    summary:
      "Put a sandbox back to it, in place; X-Bhatti-Warning says what of it could not be kept",
    params: SnapshotRef,
    body: RestoreSnapshot,
    result: Sandbox,
    rate: "create",
    errors: ["sandbox_not_found", ...resumeErrors],
  }),
};
