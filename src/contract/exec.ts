/** The exec endpoints: buffered or NDJSON over POST, and one WebSocket for stdin, terminals and signals. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import {
  bufferedOutputBytes,
  defaultExecTimeoutSeconds,
  maximumExecTimeoutSeconds,
} from "./exec-limits.ts";
import { Environment, KernelText, SandboxRef } from "./names.ts";
import { wakeErrors } from "./sandboxes.ts";
import { zeroMeans } from "./unset.ts";

const TimeoutSeconds = z
  .int({ error: "must be a whole number of seconds" })
  .min(1, { error: `must be between 1 and ${maximumExecTimeoutSeconds} seconds` })
  .max(maximumExecTimeoutSeconds, {
    error: `must be between 1 and ${maximumExecTimeoutSeconds} seconds`,
  });

const AbsolutePath = KernelText.startsWith("/", { error: "must be an absolute path" });

const command = {
  cmd: z.array(KernelText).min(1, { error: "must have at least one word" }),
  timeout_sec: TimeoutSeconds.optional().describe(
    `Seconds; ${defaultExecTimeoutSeconds} when absent, none for a session, which one with a terminal is`,
  ),
  env: Environment.optional(),
  user: z.enum(["lohar", "root"]).optional().describe("lohar when absent"),
  workdir: AbsolutePath.optional().describe("/workspace when absent"),
};

export const ExecBody = z.strictObject({
  ...command,
  timeout_sec: TimeoutSeconds.optional().describe(
    `Seconds; ${defaultExecTimeoutSeconds} when absent, with detach none`,
  ),
  detach: z
    .boolean()
    .optional()
    .describe("Start it as a session and answer at once with session_id, pid and output_file"),
  output_file: AbsolutePath.optional().describe(
    "With detach: the file in the sandbox that gets stdout and stderr, truncated first; its log otherwise",
  ),
  encoding: z
    .enum(["base64"])
    .optional()
    .describe(
      "NDJSON: base64 for output that is not UTF-8, as with Accept: application/x-ndjson; encoding=base64. Without it U+FFFD replaces such bytes",
    ),
});

/** Those that Linux has names for, in the order of their numbers. */
export const signalNames =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );

/** With or without SIG. */
export const SignalName = z.string().regex(new RegExp(`^(SIG)?(${signalNames.join("|")})$`), {
  error: `must be a signal name, with or without SIG: ${signalNames.join(", ")}`,
});

const sizeRule = { error: "must be between 1 and 65535" };
const Size = z.int().min(1, sizeRule).max(65_535, sizeRule);
const Terminal = z.strictObject({ rows: Size, cols: Size });

/** A first message of the exec WebSocket: a command. With a terminal or with `session` it outlives the connection. */
export const ExecStart = z.strictObject({
  ...command,
  stdin: z.boolean().optional().describe("Whether stdin is sent; otherwise it is /dev/null"),
  tty: Terminal.optional(),
  session: z.boolean().optional().describe("Keep it, and its stdin, when the connection ends"),
  max_idle_sec: z
    .int()
    .min(0)
    .max(maximumExecTimeoutSeconds * 30)
    .optional()
    .describe("Kill the session when it was detached for so long; 0 or absent: never"),
});
/** Another first message: a session that there is. */
export const AttachStart = z.strictObject({
  attach: z.string().min(1).describe("A session's id"),
  mode: z
    .enum(["control", "watch"])
    .optional()
    .describe("control, the default, takes it from whoever has it; watch only looks on"),
  from: z
    .int()
    .min(0)
    .optional()
    .describe("Where an earlier connection left off: its offset and what came since")
    .meta(zeroMeans("the session's first byte")),
  tty: Terminal.optional(),
});
/** Another first message: the newest terminal session that nobody has, or a new login shell. */
export const ShellStart = z.strictObject({
  shell: z.enum(["reattach", "new"]).describe("new never takes up an old one"),
  tty: Terminal,
});
export type AttachStart = z.input<typeof AttachStart>;
export type ShellStart = z.input<typeof ShellStart>;
/** JSON text frames of a client after the first. */
export const ExecControl = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("resize"), rows: Size, cols: Size }),
  z.strictObject({
    type: z.literal("signal"),
    signal: SignalName,
  }),
  z.strictObject({ type: z.literal("stdin_end") }),
]);
export const ExecReason = z.enum(["exited", "signal", "timeout", "oom", "lost"]);
/** The last word on a WebSocket on which something went wrong. */
export const StreamError = z.object({
  type: z.literal("error"),
  error: z.string(),
  code: z.string(),
  request_id: z.string(),
  hint: z.string().optional(),
  retry_after: z
    .int()
    .optional()
    .describe("With rate_limited: seconds until the same request may succeed"),
});
/**
 * JSON text frames of the server; `exit` or `error` is the last. A wrong key refuses the handshake with 401; all else,
 * such as sandbox_not_found or rate_limited, is an `error` frame, because WebSocket clients cannot read a refusal.
 */
export const ExecEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("session"),
    session_id: z.string(),
    pid: z.int(),
    tty: z.boolean().optional(),
    log: z.string().optional().describe("Path of its log in the sandbox, when it is a session"),
    reattached: z.boolean().optional().describe("It was there before"),
    offset: z
      .int()
      .optional()
      .describe("Number, within all of the session's output, of the first byte that follows"),
    prelude: z
      .string()
      .optional()
      .describe("Put a fresh terminal into the right state with it; not counted in the offset"),
    warning: z
      .string()
      .optional()
      .describe("That the sandbox lost its memory when it was woken for this, and why"),
  }),
  z.object({
    type: z.literal("stdin_credit"),
    bytes: z.int().describe("So many more bytes of stdin may be sent"),
  }),
  z.object({
    type: z.literal("exit"),
    exit_code: z.int(),
    reason: ExecReason,
    signal: z.string().optional(),
  }),
  StreamError,
]);
export type ExecStart = z.input<typeof ExecStart>;
export type ExecControl = z.infer<typeof ExecControl>;
export type ExecEvent = z.infer<typeof ExecEvent>;

/** Answer to a command that was started with `detach`. */
export const ExecDetached = z.object({
  detached: z.literal(true),
  session_id: z.string(),
  pid: z.int(),
  output_file: z
    .string()
    .describe(
      "Path in the sandbox of the file that gets its output: its log unless asked otherwise",
    ),
  warning: z.string().optional(),
});

export const ExecResult = z.object({
  exit_code: z.int(),
  stdout: z.string(),
  stderr: z.string(),
  encoding: z
    .literal("base64")
    .optional()
    .describe("Of stdout and stderr, when one of them is not UTF-8; otherwise both are text"),
  warning: z.string().optional().describe("As in the session event of the stream"),
  reason: ExecReason,
  signal: z.string().optional(),
  truncated: z
    .boolean()
    .optional()
    .describe(
      `Output beyond ${bufferedOutputBytes / 1_048_576} MB, or beyond what the daemon can hold, was dropped; stderr ends by saying so`,
    ),
});

const execErrors = ["sandbox_not_found", "guest_busy", ...wakeErrors] as const;

export const execEndpoints = {
  "exec.run": endpoint("exec.run", {
    summary:
      "Run a command: its result at the end, or with Accept: application/x-ndjson its output as it comes",
    params: SandboxRef,
    body: ExecBody,
    result: z.union([ExecResult, ExecDetached]),
    errors: [...execErrors, "session_limit"],
  }),
  "exec.stream": endpoint("exec.stream", {
    summary:
      "WebSocket. First message: the request as JSON. Then binary frames with a leading byte (0 stdin, 1 stdout, 2 stderr) and JSON text frames",
    params: SandboxRef,
    result: ExecEvent,
    status: 101,
    rate: "exec",
    errors: [
      ...execErrors,
      "session_not_found",
      "session_limit",
      "session_taken",
      "connection_lost",
    ],
  }),
};
