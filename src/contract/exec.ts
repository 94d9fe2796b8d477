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

const TimeoutSeconds = z
  .int({ error: "must be a whole number of seconds" })
  .min(1, { error: `must be between 1 and ${maximumExecTimeoutSeconds} seconds` })
  .max(maximumExecTimeoutSeconds, {
    error: `must be between 1 and ${maximumExecTimeoutSeconds} seconds`,
  });

const command = {
  cmd: z.array(KernelText).min(1, { error: "must have at least one word" }),
  timeout_sec: TimeoutSeconds.optional().describe(
    `Seconds; ${defaultExecTimeoutSeconds} when absent`,
  ),
  env: Environment.optional(),
  workdir: KernelText.startsWith("/", { error: "must be an absolute path" })
    .optional()
    .describe("/workspace when absent"),
};

export const ExecBody = z.strictObject(command);

/** Those that Linux has names for, in the order of their numbers. */
export const signalNames =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );

const Size = z.int().min(1).max(65_535);
/** First message of the exec WebSocket. */
export const ExecStart = z.strictObject({
  ...command,
  stdin: z.boolean().optional().describe("Whether stdin is sent; otherwise it is /dev/null"),
  tty: z.strictObject({ rows: Size, cols: Size }).optional(),
});
/** JSON text frames of a client after the first. */
export const ExecControl = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("resize"), rows: Size, cols: Size }),
  z.strictObject({
    type: z.literal("signal"),
    signal: z.string().regex(new RegExp(`^(SIG)?(${signalNames.join("|")})$`), {
      error: `must be a signal name, with or without SIG: ${signalNames.join(", ")}`,
    }),
  }),
  z.strictObject({ type: z.literal("stdin_end") }),
]);
export const ExecReason = z.enum(["exited", "signal", "timeout", "oom", "lost"]);
/**
 * JSON text frames of the server; `exit` or `error` is the last. A wrong key refuses the handshake with 401; all else,
 * such as sandbox_not_found or rate_limited, is an `error` frame, because WebSocket clients cannot read a refusal.
 */
export const ExecEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("session"),
    session_id: z.string(),
    pid: z.int(),
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
  z.object({
    type: z.literal("error"),
    error: z.string(),
    code: z.string(),
    request_id: z.string(),
    hint: z.string().optional(),
  }),
]);
export type ExecStart = z.input<typeof ExecStart>;
export type ExecControl = z.infer<typeof ExecControl>;
export type ExecEvent = z.infer<typeof ExecEvent>;

export const ExecResult = z.object({
  exit_code: z.int(),
  stdout: z.string(),
  stderr: z.string(),
  warning: z.string().optional().describe("As in the session event of the stream"),
  reason: ExecReason,
  signal: z.string().optional(),
  truncated: z
    .boolean()
    .optional()
    .describe(`Output beyond ${bufferedOutputBytes / 1_048_576} MB was dropped`),
});

const execErrors = ["sandbox_not_found", "guest_busy", ...wakeErrors] as const;

export const execEndpoints = {
  "exec.run": endpoint("exec.run", {
    summary:
      "Run a command: its result at the end, or with Accept: application/x-ndjson its output as it comes",
    params: SandboxRef,
    body: ExecBody,
    result: ExecResult,
    errors: execErrors,
  }),
  "exec.stream": endpoint("exec.stream", {
    summary:
      "WebSocket. First message: the request as JSON. Then binary frames with a leading byte (0 stdin, 1 stdout, 2 stderr) and JSON text frames",
    params: SandboxRef,
    result: ExecEvent,
    status: 101,
    errors: execErrors,
  }),
};
