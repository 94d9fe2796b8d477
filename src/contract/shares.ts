/** Links that open a shell of one sandbox in a browser, for whoever has them. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { SandboxRef } from "./names.ts";

export const ShareSandbox = z
  .strictObject({
    ttl_s: z
      .int()
      .min(1, { error: "must be at least 1 second" })
      .max(31_536_000, { error: "must be at most a year" })
      .optional()
      .describe("Seconds until it is refused; without it, until it is revoked"),
    read_only: z
      .boolean()
      .default(false)
      .describe("Shows the newest terminal session, and takes no input"),
  })
  .prefault({});

export const Share = z.object({
  token: z.string().describe("64 hexadecimal digits, shown only now"),
  url: z.string(),
  read_only: z.boolean(),
  expires_at: z.string().optional().describe("RFC 3339, UTC"),
});
export type Share = z.infer<typeof Share>;

export const shareEndpoints = {
  "share.create": endpoint("share.create", {
    summary: "Make a link to a web shell; an earlier link of this sandbox is dead from then on",
    params: SandboxRef,
    body: ShareSandbox,
    result: Share,
    errors: ["sandbox_not_found", "disk_full"],
  }),
  "share.revoke": endpoint("share.revoke", {
    summary: "Make its link useless, and disconnect whoever came by it",
    params: SandboxRef,
    result: z.undefined(),
    status: 204,
    errors: ["sandbox_not_found", "disk_full"],
  }),
};
