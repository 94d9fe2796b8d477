/** The snapshot endpoints: create, list, get, delete, resume, restore. */
import { z } from "zod";
import { Deleted } from "./acknowledgements.ts";
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
    .describe("full (or memory): memory and disk; filesystem: disk only"),
});

export const ResumeSnapshot = z.strictObject({ name: SandboxName.optional() }).prefault({});

export const RestoreSnapshot = z.strictObject({
  sandbox: z.string().min(1).describe("Name or ID of the sandbox to restore"),
});

export const Snapshot = z.object({
  id: z.string(),
  user_id: z.string(),
  name: z.string(),
  type: SnapshotType,
  source_sandbox: z.string().describe("Name of the source at the time of the snapshot"),
  source_sandbox_id: z.string(),
  size_mb: z.int().describe("Size on the daemon's disk"),
  paused_ms: z.number().describe("How long the source was paused, in milliseconds"),
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
    summary: "Snapshot a sandbox",
    description: "The sandbox keeps running; paused_ms says how long it was paused.",
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
    summary: "List snapshots",
    result: z.array(Snapshot),
    errors: [],
  }),
  "snapshot.get": endpoint("snapshot.get", {
    summary: "Show a snapshot",
    params: SnapshotRef,
    result: Snapshot,
    errors: ["snapshot_not_found"],
  }),
  "snapshot.delete": endpoint("snapshot.delete", {
    summary: "Delete a snapshot",
    description: "Sandboxes created from it are kept.",
    params: SnapshotRef,
    result: Deleted,
    errors: ["snapshot_not_found", "snapshot_in_use", "disk_full"],
  }),
  "snapshot.resume": endpoint("snapshot.resume", {
    isOperation: true,
    summary: "Create a sandbox from a snapshot",
    description: "X-Bhatti-Warning says what could not be restored.",
    params: SnapshotRef,
    body: ResumeSnapshot,
    result: Sandbox,
    status: 201,
    rate: "create",
    headers: { "X-Bhatti-Warning": "What could not be restored" },
    errors: ["name_taken", "sandbox_limit", "quota_exceeded", ...resumeErrors],
  }),
  "snapshot.restore": endpoint("snapshot.restore", {
    isOperation: true,
    summary: "Restore a sandbox to a snapshot, in place",
    description:
      "Replaces its files, processes and memory. X-Bhatti-Warning says what could not be restored.",
    params: SnapshotRef,
    body: RestoreSnapshot,
    result: Sandbox,
    rate: "create",
    headers: { "X-Bhatti-Warning": "What could not be restored" },
    errors: ["sandbox_not_found", ...resumeErrors],
  }),
};
