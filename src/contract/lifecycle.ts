/** What else a sandbox lives through: stop, start, fork. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { longestName, maximumForks } from "./limits.ts";
import { Labels, SandboxName, SandboxRef } from "./names.ts";
import {
  forkErrors,
  IdleCold,
  IdleWarm,
  Sandbox,
  TimeToLive,
  wakeErrors,
  wakeHeaders,
} from "./sandboxes.ts";
import { zeroMeans } from "./unset.ts";

export const StartSandbox = z
  .strictObject({
    force: z.boolean().default(false).describe("Boot from disk if the saved state cannot be used"),
  })
  .prefault({});

const forksRule = `must be between 1 and ${maximumForks}`;

export const ForkSandbox = z
  .strictObject({
    name: SandboxName.optional().describe("Name; with a count above 1: <name>-1, <name>-2, …"),
    count: z.int().min(1, { error: forksRule }).max(maximumForks, { error: forksRule }).default(1),
    labels: Labels.optional()
      .describe("Labels that replace those of the source")
      .meta(zeroMeans("no labels")),
    keep_hot: z.boolean().optional().describe("Default: false, regardless of the source"),
    idle_warm_s: IdleWarm.optional().describe("Default: the source's setting"),
    idle_cold_s: IdleCold.optional().describe("Default: the source's setting"),
    ttl_s: TimeToLive.optional().describe("Default: never"),
  })
  .refine(
    ({ name, count }) =>
      name === undefined || count === 1 || `${name}-${count}`.length <= longestName,
    { path: ["name"], error: `must leave room for -1, -2, … within ${longestName} characters` },
  )
  .prefault({});

export const lifecycleEndpoints = {
  "sandbox.stop": endpoint("sandbox.stop", {
    isOperation: true,
    summary: "Suspend a sandbox to disk",
    description: "Succeeds if the sandbox is already stopped.",
    params: SandboxRef,
    result: Sandbox,
    errors: [
      "sandbox_not_found",
      "sandbox_not_running",
      "guest_busy",
      "guest_unresponsive",
      "machine_failed",
      "machine_lost",
      "disk_full",
      "timeout",
    ],
  }),
  "sandbox.start": endpoint("sandbox.start", {
    summary: "Resume a stopped sandbox",
    description:
      "Succeeds if the sandbox is already running and its guest responds. If it lost its memory, X-Bhatti-Warning says why.",
    params: SandboxRef,
    body: StartSandbox,
    result: Sandbox,
    headers: wakeHeaders,
    errors: ["sandbox_not_found", ...wakeErrors],
  }),
  "sandbox.fork": endpoint("sandbox.fork", {
    isOperation: true,
    summary: "Fork a sandbox",
    description:
      "Creates copies that continue from its current memory and disk, each with its own ID, name and hostname.",
    params: SandboxRef,
    body: ForkSandbox,
    result: z.array(Sandbox),
    status: 201,
    rate: "create",
    errors: ["name_taken", ...forkErrors],
  }),
};
