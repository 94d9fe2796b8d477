/** What the guest says in JSON, parsed at the edge: nothing of it is trusted before it has gone through here. */
import { z } from "zod";
import { ProtocolError } from "./frame.ts";
import type { ExecResult, GuestActivity, GuestHello, GuestStats } from "./guest.ts";
import { fileOwners } from "./guest-files.ts";
import {
  exitReasons,
  type GuestProcessInfo,
  type ProcessKind,
  processKinds,
} from "./guest-sessions.ts";

export const protocolVersion = 1;

export const count = z.number().int().nonnegative();
const word = z.string().max(64);
/** A command line in part. One check for all of it: zod keeps an issue for each of what may be millions of elements. */
const argv = z.custom<string[]>(
  (value) =>
    Array.isArray(value) &&
    value.length <= 16_384 &&
    value.every((argument) => typeof argument === "string" && argument.length <= 1025),
);
const exitCode = z.number().int().min(0).max(255);

const processInfo = z
  .object({
    session: word,
    kind: z.enum(processKinds).optional(),
    pid: count,
    argv,
    tty: z.boolean(),
    stdin: z.boolean().default(false),
    user: z.enum(fileOwners).default("lohar"),
    started_unix_ms: z.number().int(),
    running: z.boolean(),
    attached: z.boolean().default(false),
    watchers: count.default(0),
    log_bytes: count.default(0),
    exit_code: exitCode.nullish(),
    reason: z.enum(exitReasons).nullish(),
    signal: word.nullish(),
    ended_unix_ms: z.number().int().nullish(),
  })
  .transform((raw): GuestProcessInfo => {
    const info: GuestProcessInfo = {
      session: raw.session,
      kind: raw.kind ?? kindOf(raw), // an agent of an earlier version does not tell
      pid: raw.pid,
      argv: raw.argv,
      tty: raw.tty,
      stdin: raw.stdin,
      user: raw.user,
      startedUnixMs: raw.started_unix_ms,
      running: raw.running,
      attached: raw.attached,
      watchers: raw.watchers,
      logBytes: raw.log_bytes,
    };
    if (typeof raw.exit_code === "number") info.exitCode = raw.exit_code;
    if (raw.reason) info.reason = raw.reason;
    if (typeof raw.signal === "string") info.signal = raw.signal;
    if (typeof raw.ended_unix_ms === "number") info.endedUnixMs = raw.ended_unix_ms;
    return info;
  });

function kindOf({ session, tty }: { session: string; tty: boolean }): ProcessKind {
  if (session === "init") return "init";
  return tty ? "terminal" : "exec";
}

/** As many as the guest can have, and those that it remembers; counted before they are looked at. */
const processes = z.array(z.unknown()).max(1024).pipe(z.array(processInfo));

export const helloMessage = z
  .object({
    protocol: z.literal(protocolVersion),
    version: word,
    boot_id: word,
    stage: z.enum(["initramfs", "mounted", "configured"]),
    processes,
  })
  .transform(
    (raw): GuestHello => ({
      version: raw.version,
      bootId: raw.boot_id,
      stage: raw.stage,
      processes: raw.processes,
    }),
  );

export const errorMessage = z.object({ code: word, message: z.string().max(16_384) });
export type GuestErrorMessage = z.infer<typeof errorMessage>;

export const replyMessage = z.union([
  z.object({ id: count, error: errorMessage }),
  z.object({ id: count, result: z.unknown() }),
]);

export const openedExecMessage = z
  .object({
    session: word,
    pid: count,
    log: z.string().max(4096).default(""),
    output: z.string().max(4096).optional(),
    failed: z.object({ exit_code: exitCode, reason: z.string().max(200) }).optional(),
  })
  .transform(({ output, failed, ...opened }) => ({
    ...opened,
    outputFile: output,
    notExecuted: failed && { exitCode: failed.exit_code, reason: failed.reason },
  }));

export const attachedMessage = z.object({
  session: word,
  pid: count,
  tty: z.boolean(),
  stdin: z.boolean(),
  offset: count,
  prelude: z.string().max(4096).default(""),
});

export const resizedMessage = z.object({ type: z.literal("resize"), rows: count, cols: count });

export const openedLogMessage = z
  .object({ offset: count.optional() })
  .transform(({ offset }) => (offset === undefined ? {} : { offset }));

export const processesResult = z.object({ processes });

export const execResultMessage = z
  .object({
    exit_code: exitCode,
    reason: z.enum(exitReasons),
    signal: word.nullish(),
  })
  .transform((raw): ExecResult => {
    const result: ExecResult = { exitCode: raw.exit_code, reason: raw.reason };
    if (typeof raw.signal === "string") result.signal = raw.signal;
    return result;
  });

export const writtenMessage = z.object({ size: count });

export const emptyResult = z.object({});
/** Where that it came is all there is to know. */
export const nothing = emptyResult.transform(() => {});

export const timersResult = z.object({ lateness: z.number().positive() });

export const statsResult = z
  .object({
    disk_total: count,
    disk_used: count,
    memory_total: count,
    memory_available: count,
  })
  .transform(
    (raw): GuestStats => ({
      diskTotal: raw.disk_total,
      diskUsed: raw.disk_used,
      memoryTotal: raw.memory_total,
      memoryAvailable: raw.memory_available,
    }),
  );

export const activityResult = z
  .object({
    cpu_us: count,
    network_bytes: count,
    commands: count,
    terminals: count,
    attached: count,
  })
  .transform(
    (raw): GuestActivity => ({
      cpuMicroseconds: raw.cpu_us,
      networkBytes: raw.network_bytes,
      commands: raw.commands,
      terminals: raw.terminals,
      attached: raw.attached,
    }),
  );

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The message in a JSON payload. Throws a ProtocolError that names what is wrong. */
export function parseMessage<T>(schema: z.ZodType<T>, what: string, payload: Uint8Array): T {
  return parseValue(schema, what, parseJson(what, payload));
}

export function parseValue<T>(schema: z.ZodType<T>, what: string, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join(".") || "all of it";
  throw new ProtocolError("bad_payload", `The guest's ${what} is malformed (${where})`);
}

function parseJson(what: string, payload: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(payload));
  } catch (cause) {
    throw notJson(what, cause);
  }
}

function notJson(what: string, cause: unknown): ProtocolError {
  return new ProtocolError("bad_payload", `The guest's ${what} is not JSON`, { cause });
}
