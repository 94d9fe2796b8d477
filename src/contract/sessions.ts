/** The session endpoints: what runs in a sandbox without anybody having to stay connected to it. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { ExecEvent, ExecReason, ExecStart, SignalName, StreamError } from "./exec.ts";
import { Flag, SandboxRef } from "./names.ts";
import { wakeErrors } from "./sandboxes.ts";

const SessionRef = SandboxRef.extend({ session: z.string().min(1) });

export const Session = z.object({
  session_id: z.string(),
  kind: z
    .enum(["terminal", "piped", "detached", "init"])
    .describe("piped: takes input without a terminal; detached: takes none"),
  argv: z.string().describe("The command as one text, in part when it is long"),
  command: z.array(z.string()),
  pid: z.int(),
  user: z.enum(["lohar", "root"]),
  tty: z.boolean(),
  running: z.boolean(),
  attached: z.boolean().describe("Whether a client has control of it"),
  watchers: z.int().describe("How many clients look on"),
  created_at: z.int().describe("Unix time, seconds"),
  ended_at: z.int().optional().describe("Unix time, seconds"),
  exit_code: z.int().optional(),
  reason: ExecReason.optional(),
  signal: z.string().optional(),
  log_bytes: z.int(),
  log: z.string().describe("Path of its log in the sandbox"),
});
export type Session = z.infer<typeof Session>;

export const KillSession = z
  .strictObject({ signal: SignalName.default("KILL").describe("KILL when absent") })
  .prefault({});

const ByteCount = z.string().regex(/^\d{1,12}$/, { error: "must be a number of bytes" });

/** JSON text frames of a log's WebSocket; `end` or `error` is the last. Binary frames between them are its bytes. */
export const LogEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("log"),
    session_id: z.string(),
    offset: z
      .int()
      .optional()
      .describe(
        "Number, within all that was ever written to the log, of the first byte that follows; absent when nobody knows it",
      ),
  }),
  z.object({ type: z.literal("end") }).describe("Its session has ended, and this was all of it"),
  StreamError,
]);
export type LogEvent = z.infer<typeof LogEvent>;

const sessionErrors = ["sandbox_not_found", "session_not_found", "guest_busy"] as const;

/** First message of `exec.piped` when no session is named. */
export const PipedStart = ExecStart.pick({
  cmd: true,
  env: true,
  user: true,
  workdir: true,
  max_idle_sec: true,
});

export const sessionEndpoints = {
  "exec.shell": endpoint("exec.shell", {
    summary:
      "WebSocket of earlier clients: the terminal session that `session` names, or the newest that nobody has, or a new login shell; output as binary frames",
    params: SandboxRef,
    query: z.object({ session: z.string().optional(), new: Flag }),
    result: ExecEvent,
    status: 101,
    rate: "exec",
    errors: [...sessionErrors, "session_limit", ...wakeErrors],
  }),
  "exec.piped": endpoint("exec.piped", {
    summary:
      "WebSocket of earlier clients: a session without a terminal, whose stdin stays open when the client goes; output as text frames",
    params: SandboxRef,
    query: z.object({ session: z.string().optional() }),
    result: ExecEvent,
    status: 101,
    rate: "exec",
    errors: [...sessionErrors, "session_limit", ...wakeErrors],
  }),
  "session.list": endpoint("session.list", {
    summary:
      "List its sessions; never wakes it: of one that sleeps those it had, and X-Bhatti-As-Of says when",
    params: SandboxRef,
    query: z.object({ all: Flag.describe("Also those that have ended: the last 32") }),
    result: z.array(Session),
    errors: ["sandbox_not_found", "guest_unresponsive", "timeout"],
  }),
  "session.kill": endpoint("session.kill", {
    summary: "Send a session a signal",
    params: SessionRef,
    body: KillSession,
    result: z.object({ session_id: z.string(), signal: z.string() }),
    errors: [...sessionErrors, "session_ended", ...wakeErrors],
  }),
  "session.log": endpoint("session.log", {
    summary: "What a session has written, as bytes",
    params: SessionRef,
    query: z.object({
      follow: Flag.describe("Go on until it ends"),
      tail: ByteCount.optional().describe("Only the last so many bytes"),
    }),
    result: z.string(),
    resultType: "application/octet-stream",
    errors: [...sessionErrors, ...wakeErrors],
  }),
  "session.follow": endpoint("session.follow", {
    summary:
      "WebSocket that follows a log until its session ends, and that says why when it cannot",
    params: SessionRef,
    query: z.object({
      tail: ByteCount.optional().describe("Only the last so many bytes"),
      from: ByteCount.optional().describe(
        "Where an earlier connection left off: its offset and what came since",
      ),
    }),
    result: LogEvent,
    status: 101,
    errors: [...sessionErrors, "connection_lost", ...wakeErrors],
  }),
};
