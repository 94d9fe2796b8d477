/** The exec endpoints: buffered or NDJSON over POST, and one WebSocket for stdin, terminals and signals. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import {
  bufferedOutputBytes,
  defaultExecTimeoutSeconds,
  maximumExecTimeoutSeconds,
} from "./exec-limits.ts";
import { ByteText, Environment, SandboxRef } from "./names.ts";
import { OutputTaken, OutputWindow } from "./output-window.ts";
import { wakeErrors } from "./sandboxes.ts";
import { zeroMeans } from "./unset.ts";

const TimeoutSeconds = z
  .int({ error: "must be a whole number of seconds" })
  .min(1, { error: `must be between 1 and ${maximumExecTimeoutSeconds} seconds` })
  .max(maximumExecTimeoutSeconds, {
    error: `must be between 1 and ${maximumExecTimeoutSeconds} seconds`,
  });

const AbsolutePath = ByteText.startsWith("/", { error: "must be an absolute path" });

const command = {
  cmd: z.array(ByteText).min(1, { error: "must have at least one item" }),
  timeout_sec: TimeoutSeconds.optional().describe(
    `Timeout in seconds; default ${defaultExecTimeoutSeconds}, none with tty or session`,
  ),
  env: Environment.optional(),
  user: z.enum(["lohar", "root"]).optional().describe("Default: lohar"),
  workdir: AbsolutePath.optional().describe("Working directory; default: /workspace"),
};

export const ExecBody = z.strictObject({
  ...command,
  timeout_sec: TimeoutSeconds.optional().describe(
    `Timeout in seconds; default ${defaultExecTimeoutSeconds}, none with detach`,
  ),
  detach: z
    .boolean()
    .optional()
    .describe("Run in the background: return session_id, pid and output_file immediately"),
  output_file: AbsolutePath.optional().describe(
    "With detach: file in the sandbox for stdout and stderr, truncated first; default: the session's log",
  ),
  encoding: z
    .enum(["base64"])
    .optional()
    .describe(
      "NDJSON: encode output that is not UTF-8 in base64 instead of replacing it with U+FFFD; same as Accept: application/x-ndjson; encoding=base64",
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
  stdin: z
    .boolean()
    .optional()
    .describe("Whether the client sends stdin; otherwise stdin is /dev/null"),
  tty: Terminal.optional(),
  session: z
    .boolean()
    .optional()
    .describe("Keep the command and its stdin open when the connection ends"),
  max_idle_sec: z
    .int()
    .min(0)
    .max(maximumExecTimeoutSeconds * 30)
    .optional()
    .describe("Kill the session after this many seconds without a client; 0 or absent: never"),
  window: OutputWindow.optional(),
});
/** Another first message: a session that there is. */
export const AttachStart = z.strictObject({
  attach: z.string().min(1).describe("Session ID"),
  mode: z
    .enum(["control", "watch"])
    .optional()
    .describe("control (default): detach the current client; watch: receive output only"),
  from: z
    .int()
    .min(0)
    .optional()
    .describe(
      "Byte of the output to resume at: the offset of an earlier connection plus the bytes received since",
    )
    .meta(zeroMeans("the session's first byte")),
  tty: Terminal.optional(),
  window: OutputWindow.optional(),
});
/** Another first message: the newest detached login shell, or a new one. */
export const ShellStart = z.strictObject({
  shell: z
    .enum(["reattach", "new"])
    .describe("reattach: the newest detached shell, or a new one; new: a new shell"),
  tty: Terminal,
  window: OutputWindow.optional(),
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
  OutputTaken,
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
    .describe("Seconds until the request may succeed, with code rate_limited"),
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
    log: z.string().optional().describe("Path of the session's log in the sandbox"),
    reattached: z.boolean().optional().describe("Whether the session existed before"),
    offset: z.int().optional().describe("Position of the next byte in the session's output"),
    prelude: z
      .string()
      .optional()
      .describe("Terminal sequences that restore the state of the screen; not counted in offset"),
    warning: z
      .string()
      .optional()
      .describe("Why the sandbox lost its memory when it was woken for this request"),
  }),
  z.object({
    type: z.literal("stdin_credit"),
    bytes: z.int().describe("Number of further bytes of stdin that the client may send"),
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

const output = { data: z.string(), encoding: z.literal("base64").optional() };

/** A line of NDJSON; `exit` or `error` is the last. */
export const ExecOutputEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("stdout"), ...output }),
  z.object({ type: z.literal("stderr"), ...output }),
  z.object({
    type: z.literal("exit"),
    exit_code: z.int(),
    reason: ExecReason,
    signal: z.string().optional(),
  }),
  StreamError.extend({ data: z.string().describe("The same as error") }),
]);

/** Answer to a command that was started with `detach`. */
export const ExecDetached = z.object({
  detached: z.literal(true),
  session_id: z.string(),
  pid: z.int(),
  output_file: z.string().describe("Path of the output in the sandbox; default: the session's log"),
  exit_code: z
    .int()
    .optional()
    .describe("126 or 127 if the command could not be executed; otherwise absent"),
  error: z.string().optional().describe("Why the command could not be executed"),
  warning: z.string().optional(),
});

export const ExecResult = z.object({
  exit_code: z.int(),
  stdout: z.string(),
  stderr: z.string(),
  encoding: z
    .literal("base64")
    .optional()
    .describe("Encoding of stdout and stderr if one of them is not UTF-8"),
  warning: z
    .string()
    .optional()
    .describe("Why the sandbox lost its memory when it was woken for this request"),
  reason: ExecReason,
  signal: z.string().optional(),
  truncated: z
    .boolean()
    .optional()
    .describe(
      `Whether output beyond ${bufferedOutputBytes / 1_048_576} MB, or beyond the memory limits of the daemon, was dropped; the end of stderr says so too`,
    ),
});

const execErrors = ["sandbox_not_found", "guest_busy", ...wakeErrors] as const;

export const execEndpoints = {
  "exec.run": endpoint("exec.run", {
    summary: "Run a command",
    description:
      "Returns the result when the command ends. With Accept: application/x-ndjson, streams the output.",
    params: SandboxRef,
    body: ExecBody,
    result: z.union([ExecResult, ExecDetached]),
    alsoResults: { "application/x-ndjson": ExecOutputEvent },
    errors: [...execErrors, "session_limit"],
  }),
  "exec.stream": endpoint("exec.stream", {
    summary: "Run a command or attach to a session over a WebSocket",
    description:
      "The first message is the request as JSON. Binary frames then carry data after a leading byte for the stream (0 stdin, 1 stdout, 2 stderr); text frames carry control messages and events as JSON.",
    params: SandboxRef,
    result: ExecEvent,
    messages: { first: [ExecStart, AttachStart, ShellStart], client: ExecControl },
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
