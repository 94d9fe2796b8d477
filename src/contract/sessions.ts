/** The endpoints of sessions: processes in a sandbox that run without an attached client. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { ExecEvent, ExecReason, ExecStart, SignalName, StreamError } from "./exec.ts";
import { Flag, SandboxRef } from "./names.ts";
import { OutputTaken, OutputWindow } from "./output-window.ts";
import { wakeErrors } from "./sandboxes.ts";

const SessionRef = SandboxRef.extend({ session: z.string().min(1) });

export const Session = z.object({
  session_id: z.string(),
  kind: z
    .enum(["terminal", "piped", "detached", "init"])
    .describe(
      "terminal: with a terminal; piped: with stdin; detached: without stdin; init: the init script",
    ),
  argv: z.string().describe("The command line, truncated if it is long"),
  command: z.array(z.string()),
  pid: z.int(),
  user: z.enum(["lohar", "root"]),
  tty: z.boolean(),
  running: z.boolean(),
  attached: z.boolean().describe("Whether a client controls the session"),
  watchers: z.int().describe("Number of clients that watch the session"),
  created_at: z.int().describe("Unix time, seconds"),
  ended_at: z.int().optional().describe("Unix time, seconds"),
  exit_code: z.int().optional(),
  reason: ExecReason.optional(),
  signal: z.string().optional(),
  log_bytes: z.int(),
  log: z.string().describe("Path of the session's log in the sandbox"),
});
export type Session = z.infer<typeof Session>;

export const KillSession = z
  .strictObject({ signal: SignalName.default("KILL").describe("Default: KILL") })
  .prefault({});

export const KilledSession = z.object({ session_id: z.string(), signal: z.string() });

const ByteCount = z.string().regex(/^\d{1,12}$/, { error: "must be a number of bytes" });

/** JSON text frames of a log's WebSocket; `end` or `error` is the last. Binary frames between them are its bytes. */
export const LogEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("log"),
    session_id: z.string(),
    offset: z
      .int()
      .optional()
      .describe("Position of the next byte in all output of the session; absent if unknown"),
  }),
  z.object({ type: z.literal("end") }).describe("The session has ended and its output is complete"),
  StreamError,
]);
export type LogEvent = z.infer<typeof LogEvent>;

const sessionErrors = ["sandbox_not_found", "session_not_found", "guest_busy"] as const;
const legacySocketErrors = [
  ...sessionErrors,
  "session_limit",
  "session_taken",
  "connection_lost",
  ...wakeErrors,
] as const;

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
    summary: "Open a shell over a WebSocket (legacy clients)",
    description:
      "Attaches to the session in `session`, or else to the newest detached terminal session, or starts a login shell. Output is sent in binary frames.",
    params: SandboxRef,
    query: z.object({ session: z.string().optional(), new: Flag }),
    result: ExecEvent,
    status: 101,
    rate: "exec",
    errors: [...legacySocketErrors],
  }),
  "exec.piped": endpoint("exec.piped", {
    summary: "Run a command without a terminal over a WebSocket (legacy clients)",
    description:
      "The session and its stdin stay open when the client disconnects. Output is sent in text frames.",
    params: SandboxRef,
    query: z.object({ session: z.string().optional() }),
    result: ExecEvent,
    messages: { first: [PipedStart] },
    status: 101,
    rate: "exec",
    errors: [...legacySocketErrors],
  }),
  "session.list": endpoint("session.list", {
    summary: "List the sessions of a sandbox",
    description:
      "Never wakes the sandbox. For a suspended one, returns the sessions at the time in X-Bhatti-As-Of.",
    params: SandboxRef,
    query: z.object({ all: Flag.describe("Include the last 32 ended sessions") }),
    result: z.array(Session),
    headers: {
      "X-Bhatti-As-Of": "Time of the list, for a sandbox that is not hot; RFC 3339, UTC",
    },
    errors: ["sandbox_not_found", "guest_unresponsive", "timeout"],
  }),
  "session.kill": endpoint("session.kill", {
    summary: "Send a signal to a session",
    params: SessionRef,
    body: KillSession,
    result: KilledSession,
    errors: [...sessionErrors, "session_ended", ...wakeErrors],
  }),
  "session.log": endpoint("session.log", {
    summary: "Get the output of a session",
    description:
      "A log keeps the last 20 MB, from the start of a line. X-Bhatti-Offset is the position of the first byte in all output of the session; absent if unknown.",
    params: SessionRef,
    query: z.object({
      follow: Flag.describe("Follow the output until the session ends"),
      tail: ByteCount.optional().describe("Number of bytes to return from the end"),
    }),
    result: z.string(),
    resultType: "application/octet-stream",
    errors: [...sessionErrors, ...wakeErrors],
  }),
  "session.follow": endpoint("session.follow", {
    summary: "Follow the output of a session over a WebSocket",
    description:
      "Sends output as binary frames until the session ends, then an `end` or an `error` event.",
    params: SessionRef,
    query: z.object({
      tail: ByteCount.optional().describe("Number of bytes to return from the end"),
      from: ByteCount.optional().describe(
        "Byte to resume at: the offset of an earlier connection plus the bytes received since",
      ),
      window: z.coerce
        .number()
        .pipe(OutputWindow)
        .optional()
        .describe(
          'As in exec.stream, with {"type":"taken","bytes":N} as the only message of the client',
        ),
    }),
    result: LogEvent,
    messages: { client: OutputTaken },
    status: 101,
    errors: [...sessionErrors, "connection_lost", ...wakeErrors],
  }),
};
