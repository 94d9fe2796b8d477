/** Share links, which open a shell of one sandbox in a browser without a key. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { maximumShareSeconds } from "./limits.ts";
import { SandboxRef } from "./names.ts";
import { OutputTaken, OutputWindow } from "./output-window.ts";
import { zeroMeans } from "./unset.ts";

export const ShareSandbox = z
  .strictObject({
    ttl_s: z
      .int()
      .min(1, { error: "must be at least 1 second" })
      .max(maximumShareSeconds, { error: `must be at most ${maximumShareSeconds} seconds` })
      .optional()
      .describe("Seconds until the link expires; default: never"),
    read_only: z
      .boolean()
      .default(false)
      .describe("Show the newest terminal session without accepting input"),
  })
  .prefault({});

const ReadOnly = z.boolean().optional().describe("Absent when false");

export const Share = z.object({
  token: z.string().describe("64 hexadecimal digits; returned only once"),
  url: z.string(),
  read_only: ReadOnly,
  expires_at: z.string().optional().describe("RFC 3339, UTC"),
});
export type Share = z.infer<typeof Share>;

/** Of a terminal on a page, in rows or columns. */
export const largestSide = 1000;
const size = z.int().min(1).max(largestSide);

/** The first message on the socket, as JSON. */
export const ShareAuth = z.object({
  type: z.literal("auth"),
  token: z.string().max(200),
  rows: size.default(24),
  cols: size.default(80),
  /** The session to go back to; only one that was started through the same link. */
  session: z.string().max(64).optional(),
  /** How much of its output was seen; without it, all that is kept is told. */
  from: z.int().min(0).optional().meta(zeroMeans("the session's first byte")),
  window: OutputWindow.optional(),
});
export type ShareAuth = z.infer<typeof ShareAuth>;

/** What a client sends as JSON text after that; binary frames are what was typed. */
export const ShareControl = z.discriminatedUnion("type", [
  z.object({ type: z.literal("resize"), rows: size, cols: size }),
  OutputTaken,
]);
export type ShareControl = z.infer<typeof ShareControl>;

/** What the daemon sends as JSON text; binary frames are output. */
export const ShareEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("connected"),
    sandbox: z.string().describe("Sandbox name"),
    status: z.string(),
    thermal: z.string().optional(),
    read_only: ReadOnly,
  }),
  z.object({
    type: z.literal("session"),
    session_id: z.string(),
    offset: z.int().describe("Position of the next byte in the session's output"),
    prelude: z
      .string()
      .optional()
      .describe("Terminal sequences that restore the state of the screen"),
    warning: z.string().optional(),
  }),
  z
    .object({ type: z.literal("size"), rows: size, cols: size })
    .describe("Size of the watched terminal, for which the following output is formatted"),
  z.object({
    type: z.literal("stdin_credit"),
    bytes: z
      .int()
      .describe("Number of further bytes of input that the client may send; initially 256 KiB"),
  }),
  z.object({ type: z.literal("alive") }).describe("Sent every 30 s"),
  z.object({
    type: z.literal("exit"),
    exit_code: z.int(),
    reason: z.string(),
    signal: z.string().optional(),
  }),
  z.object({
    type: z.literal("error"),
    error: z.string(),
    code: z.string().optional().describe("Absent for unauthorized"),
  }),
]);
export type ShareEvent = z.infer<typeof ShareEvent>;

const ShareRef = z.object({ id: z.string().min(1).describe("Sandbox ID (not its name)") });

export const shareEndpoints = {
  "share.create": endpoint("share.create", {
    summary: "Create a link to a web shell",
    description: "Revokes an earlier link of the sandbox.",
    params: SandboxRef,
    body: ShareSandbox,
    result: Share,
    errors: ["sandbox_not_found", "disk_full"],
  }),
  "share.revoke": endpoint("share.revoke", {
    summary: "Revoke the web shell link of a sandbox",
    description: "Disconnects the clients that used the link.",
    params: SandboxRef,
    result: z.undefined(),
    status: 204,
    errors: ["sandbox_not_found", "disk_full"],
  }),
  "share.page": endpoint("share.page", {
    summary: "Get the web shell page",
    description: "The page is the same for every ID, whether or not the sandbox exists.",
    public: true,
    params: ShareRef,
    result: z.string(),
    resultType: "text/html",
    errors: ["not_found"],
  }),
  "share.stream": endpoint("share.stream", {
    summary: "Connect the web shell page over a WebSocket",
    description: "The first message is the token. Binary frames then carry input and output.",
    public: true,
    params: ShareRef,
    result: ShareEvent,
    messages: { first: [ShareAuth], client: ShareControl },
    status: 101,
    errors: ["rate_limited"],
  }),
};
