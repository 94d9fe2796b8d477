/** The sandbox endpoints: create, list, get, edit, destroy. */
import { z } from "zod";
import { Destroyed } from "./acknowledgements.ts";
import { endpoint } from "./endpoint.ts";
import { maximumInitBytes } from "./limits.ts";
import { Environment, KernelText, LabelKey, Labels, SandboxName, SandboxRef } from "./names.ts";
import { type PlannedFeature, plannedVersions } from "./planned.ts";
import { zeroMeans } from "./unset.ts";

/** One constant each; create and inspect print what was used. */
export const defaultCpus = 1;
export const defaultMemoryMB = 1024;

export const SandboxFile = z.strictObject({
  guest_path: KernelText.startsWith("/", { error: "must be an absolute path" }),
  content: z.base64({ error: "must be base64" }),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, { error: "must be three octal digits such as 0644" })
    .default("0644"),
});

const maximumSeconds = 31_536_000;
const secondsRule = `must be between 0 and ${maximumSeconds} seconds`;
const Seconds = z
  .int({ error: "must be a whole number of seconds" })
  .min(0, { error: secondsRule })
  .max(maximumSeconds, { error: secondsRule });
export const IdleWarm = Seconds.describe(
  "Idle seconds before the sandbox is paused; 0 means never",
).meta(zeroMeans("never"));
export const IdleCold = Seconds.describe(
  "Idle seconds before the sandbox is suspended to disk; 0 means never",
).meta(zeroMeans("never"));
export const TimeToLive = Seconds.describe(
  "Seconds from now until the sandbox is destroyed; 0 means never",
);

/** A list that must stay empty until a later version. */
export function notYet(feature: PlannedFeature) {
  const error = `must be empty: ${feature} are planned for version ${plannedVersions[feature]}`;
  return z.array(z.unknown()).max(0, { error }).optional();
}

/** A fork takes all else from its source. */
const forkFields = ["from", "name", "labels", "keep_hot", "idle_warm_s", "idle_cold_s", "ttl_s"];

export const SandboxFields = z.strictObject({
  name: SandboxName.optional(),
  from: z
    .string()
    .optional()
    .describe(
      `Name or ID of a sandbox to fork; can only be combined with ${forkFields.slice(1).join(", ")}`,
    ),
  template_id: z
    .string()
    .optional()
    .describe("Name or ID of a template; fields of the request override it"),
  image: z.string().optional().describe("Image name; default: the daemon's default image"),
  cpus: z
    .int({ error: "must be a whole number of vCPUs" })
    .min(1, { error: "must be between 1 and 64" })
    .max(64, { error: "must be between 1 and 64" })
    .optional()
    .describe("Number of vCPUs; 0 means the default"),
  memory_mb: z.int().min(0).max(1_048_576).optional().describe("Memory in MB; 0 means the default"),
  disk_size_mb: z
    .int()
    .min(0)
    .max(16_777_216)
    .optional()
    .describe("Root disk size in MB, at least the image's size; 0 means the image's size"),
  env: Environment.optional(),
  init: KernelText.refine((script) => new TextEncoder().encode(script).length <= maximumInitBytes, {
    error: `must be at most ${maximumInitBytes} bytes`,
  })
    .optional()
    .describe("Shell script to run once in /workspace, as session `init`"),
  keep_hot: z.boolean().optional().describe("Never pause or suspend the sandbox when idle"),
  idle_warm_s: IdleWarm.optional(),
  idle_cold_s: IdleCold.optional(),
  ttl_s: TimeToLive.optional(),
  labels: Labels.optional(),
  files: z.array(SandboxFile).optional(),
  secrets: notYet("secrets"),
  volumes: notYet("volumes"),
  new_volumes: notYet("volumes"),
  persistent_volumes: notYet("volumes"),
  hugepages: z.literal(false, { error: "must be false: a sandbox's memory is a file" }).optional(),
});

export const CreateSandbox = SandboxFields.superRefine((request, context) => {
  if (request.from === undefined) return;
  for (const name of Object.keys(request).filter((key) => !forkFields.includes(key))) {
    const message = "cannot be combined with from: a fork copies it from its source";
    context.addIssue({ code: "custom", path: [name], message });
  }
});

/** Null takes a time back to the daemon's own. */
export const EditSandbox = z
  .strictObject({
    name: SandboxName.optional().describe(
      "New name; the hostname inside the sandbox does not change",
    ),
    labels_add: Labels.optional(),
    labels_remove: z.array(LabelKey).optional(),
    keep_hot: z
      .boolean()
      .optional()
      .describe("Never pause or suspend the sandbox when idle; true wakes it")
      .meta(zeroMeans("pause and suspend it when idle")),
    idle_warm_s: IdleWarm.nullable().optional(),
    idle_cold_s: IdleCold.nullable().optional(),
    ttl_s: TimeToLive.meta(zeroMeans("never")).nullable().optional(),
  })
  .refine((change) => Object.keys(change).length > 0, {
    error: "must have at least one field to change",
  });

export const SandboxStatus = z.enum(["creating", "running", "stopped", "unknown"]);
export const Thermal = z.enum(["hot", "warm", "cold"]);

/** The reason for its power state, and the next transition while it is idle. */
export const Activity = z.object({
  reason: z.string(),
  next: z.object({ thermal: z.enum(["warm", "cold", "destroyed"]), at: z.string() }).optional(),
});

/** Measured in the guest. */
export const Usage = z.object({
  disk_used_mb: z.int(),
  disk_free_mb: z.int(),
  memory_used_mb: z.int(),
  memory_free_mb: z.int(),
  at: z.string().describe("Time of the measurement; RFC 3339, UTC"),
});

export const Sandbox = z.object({
  id: z.string(),
  name: z.string(),
  template_id: z
    .string()
    .describe("ID of the template it was created from, even if that was deleted; empty: none"),
  engine_id: z.string(),
  status: SandboxStatus,
  thermal: Thermal.optional(),
  activity: Activity,
  ip: z.string(),
  urls: z.array(z.string()),
  engine_meta: z.record(z.string(), z.string()),
  created_by: z.string(),
  created_at: z.string().describe("RFC 3339, UTC"),
  stopped_at: z.string().optional(),
  keep_hot: z.boolean(),
  idle_warm_s: z.int().optional().describe("Absent: the daemon's setting"),
  idle_cold_s: z.int().optional().describe("Absent: the daemon's setting"),
  expires_at: z.string().optional().describe("When the sandbox will be destroyed; RFC 3339, UTC"),
  cpus: z.int(),
  memory_mb: z.int(),
  disk_size_mb: z.int(),
  image: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
  usage: Usage.optional().describe(
    "Only in GET /sandboxes/:ref. Current for a hot sandbox, otherwise as of its pause or suspend; absent if unknown",
  ),
  share: z
    .object({
      read_only: z.boolean().optional().describe("Absent when false"),
      expires_at: z.string().optional().describe("Absent: never"),
    })
    .optional()
    .describe("Present if a web shell link exists; only its creation returns the link itself"),
});
export type Sandbox = z.infer<typeof Sandbox>;

/** What can be in the way of making it run. */
export const wakeErrors = [
  "sandbox_not_running",
  "no_saved_state",
  "snapshot_damaged",
  "snapshot_incompatible",
  "guest_unresponsive",
  "machine_failed",
  "machine_lost",
  "disk_full",
  "host_unfit",
  "timeout",
] as const;

export const wakeHeaders = {
  "X-Bhatti-Warning": "What the sandbox lost when it was woken, and why",
};

/** Errors of a path in a sandbox. */
export const pathErrors = [
  "path_not_found",
  "not_directory",
  "permission_denied",
  "unsafe_path",
  "guest_busy",
  "guest_failed",
] as const;

/** Errors of a fork. */
export const forkErrors = [
  "sandbox_not_found",
  "sandbox_limit",
  "quota_exceeded",
  "too_many_layers",
  "guest_busy",
  ...wakeErrors,
] as const;

export const sandboxEndpoints = {
  "sandbox.create": endpoint("sandbox.create", {
    isOperation: true,
    summary: "Create a sandbox",
    description:
      "If the name exists, returns that sandbox with status 200 and X-Bhatti-Existing: true.",
    body: CreateSandbox,
    result: Sandbox,
    alsoStatus: {
      200: {
        description: "The name exists: the existing sandbox",
        headers: { "X-Bhatti-Existing": "true" },
      },
    },
    status: 201,
    rate: "create",
    errors: ["template_not_found", "image_not_found", ...pathErrors, "is_directory", ...forkErrors],
  }),
  "sandbox.list": endpoint("sandbox.list", {
    summary: "List sandboxes",
    query: z.object({
      label: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe("key=value; repeat it to require several labels"),
    }),
    result: z.array(Sandbox),
    errors: [],
  }),
  "sandbox.get": endpoint("sandbox.get", {
    summary: "Show a sandbox",
    params: SandboxRef,
    result: Sandbox,
    errors: ["sandbox_not_found"],
  }),
  "sandbox.edit": endpoint("sandbox.edit", {
    summary: "Update the name, labels or idle policy of a sandbox",
    params: SandboxRef,
    body: EditSandbox,
    result: Sandbox,
    errors: ["sandbox_not_found", "name_taken", ...wakeErrors],
  }),
  "sandbox.destroy": endpoint("sandbox.destroy", {
    summary: "Destroy a sandbox",
    description: "Deletes its disk, memory and processes. Its snapshots are kept.",
    params: SandboxRef,
    result: Destroyed,
    errors: ["sandbox_not_found", "disk_full"],
  }),
};
