/** The session endpoints: what there is, signals, and logs. */
import type { Clock } from "../../async/clock.ts";
import { endpoints } from "../../contract/all.ts";
import type { Session } from "../../contract/sessions.ts";
import { commandText } from "../../services/login-shell.ts";
import { type GuestProcessInfo, logOf, type Sessions } from "../../services/sessions.ts";
import { type Binder, implement } from "../implement.ts";
import { respondWithBytes } from "../streams/byte-response.ts";
import { LogConversation } from "../streams/log-websocket.ts";
import { serveSocket } from "../streams/upgrade.ts";

export interface SessionRouteOptions {
  sessions: Sessions;
  identity: { version: string };
  clock: Clock;
}

export function bindSessions(binder: Binder, options: SessionRouteOptions): void {
  const { sessions } = options;
  implement(binder, endpoints["session.list"], async ({ params, query, user, answer }) => {
    const list = await sessions.list(user, params.ref, { all: query.all === "true" });
    const age = list.asOf === undefined ? {} : { headers: { "X-Bhatti-As-Of": list.asOf } };
    return answer(list.sessions.map(presented), age);
  });
  implement(binder, endpoints["session.kill"], async ({ params, body, user, signal }) => {
    await sessions.kill(user, params.ref, params.session, body.signal, signal());
    return { session_id: params.session, signal: `SIG${body.signal.replace(/^SIG/, "")}` };
  });
  implement(binder, endpoints["session.log"], async ({ params, query, user, signal }) => {
    const request = {
      session: params.session,
      follow: query.follow === "true",
      ...(query.tail !== undefined && { tail: Number(query.tail) }),
    };
    const until = signal();
    const bytes = await sessions.log(user, params.ref, request, until);
    const headers = {
      "Content-Type": "application/octet-stream",
      ...(bytes.offset !== undefined && { "X-Bhatti-Offset": String(bytes.offset) }),
    };
    return await respondWithBytes(bytes, { headers, signal: until });
  });
  implement(binder, endpoints["session.follow"], (call) => {
    const { user, params, query } = call;
    const request = {
      session: params.session,
      follow: true,
      ...(query.tail !== undefined && { tail: Number(query.tail) }),
      ...(query.from !== undefined && { from: Number(query.from) }),
    };
    const read = (signal: AbortSignal) => sessions.log(user, params.ref, request, signal);
    return serveSocket(call, options, {
      clientBegins: false,
      talk: (connection) => new LogConversation(connection, params.session, read, query.window),
    });
  });
}

function presented(session: GuestProcessInfo): Session {
  const { kind, argv, exitCode, reason, signal, endedUnixMs } = session;
  return {
    session_id: session.session,
    kind: kind === "exec" ? "detached" : kind,
    argv: commandText(argv),
    command: argv,
    pid: session.pid,
    user: session.user,
    tty: session.tty,
    running: session.running,
    attached: session.attached,
    watchers: session.watchers,
    created_at: seconds(session.startedUnixMs),
    ...(endedUnixMs !== undefined && { ended_at: seconds(endedUnixMs) }),
    ...(exitCode !== undefined && { exit_code: exitCode }),
    ...(reason !== undefined && { reason }),
    ...(signal !== undefined && { signal }),
    log_bytes: session.logBytes,
    log: logOf(session),
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
