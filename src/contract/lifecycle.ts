/** What else a sandbox lives through: stop, start, fork. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { longestName, maximumForks } from "./limits.ts";
import { Labels, SandboxName, SandboxRef } from "./names.ts";
import { forkErrors, IdleCold, IdleWarm, Sandbox, TimeToLive, wakeErrors } from "./sandboxes.ts";
import { zeroMeans } from "./unset.ts";

export const StartSandbox = z
  .strictObject({
    force: z
      .boolean()
      .default(false)
      .describe("Boot from the disk alone when its saved state cannot be used"),
  })
  .prefault({});

const forksRule = `must be between 1 and ${maximumForks}`;

export const ForkSandbox = z
  .strictObject({
    name: SandboxName.optional().describe("With a count above 1: <name>-1, <name>-2, …"),
    count: z.int().min(1, { error: forksRule }).max(maximumForks, { error: forksRule }).default(1),
    labels: Labels.optional().describe("Instead of the source's own").meta(zeroMeans("no labels")),
    keep_hot: z.boolean().optional().describe("False when absent, whatever its source is"),
    idle_warm_s: IdleWarm.optional().describe("As its source when absent"),
    idle_cold_s: IdleCold.optional().describe("As its source when absent"),
    ttl_s: TimeToLive.optional().describe("It does not end by itself when absent"),
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
    summary: "Put its memory on the disk and end its machine; nothing to do when it is stopped",
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
    summary:
      "Make it run where it stopped; nothing to do when it runs. X-Bhatti-Warning says why it lost its memory",
    params: SandboxRef,
    body: StartSandbox,
    result: Sandbox,
    errors: ["sandbox_not_found", ...wakeErrors],
  }),
  "sandbox.fork": endpoint("sandbox.fork", {
    isOperation: true,
    summary: "Make copies that go on from where it is, each with an identity of its own",
    params: SandboxRef,
    body: ForkSandbox,
    result: z.array(Sandbox),
    status: 201,
    rate: "create",
    errors: ["name_taken", ...forkErrors],
  }),
};
