/** The WebSockets of earlier clients, for terminals and for programs that speak over stdio. */
import { endpoints } from "../../contract/all.ts";
import { usualTerminalSize } from "../../contract/exec-limits.ts";
import { execRequestOf } from "../exec-request.ts";
import { type Binder, implement } from "../implement.ts";
import { PipedConversation } from "../streams/piped-websocket.ts";
import { ShellConversation } from "../streams/shell-websocket.ts";
import { serveSocket } from "../streams/upgrade.ts";
import type { ExecRouteOptions } from "./exec.ts";

export function bindEarlierSockets(binder: Binder, options: ExecRouteOptions): void {
  const { exec, sessions } = options;
  implement(binder, endpoints["exec.shell"], (call) => {
    const { user, params, query } = call;
    const { session } = query;
    const start = (signal: AbortSignal) =>
      session === undefined
        ? sessions.shell(
            user,
            params.ref,
            { reattach: query.new !== "true", tty: usualTerminalSize },
            signal,
          )
        : sessions.attach(user, params.ref, { session, mode: "control" }, signal);
    return serveSocket(call, options, {
      clientBegins: false,
      talk: (connection) => new ShellConversation(connection, start),
    });
  });

  implement(binder, endpoints["exec.piped"], (call) => {
    const { user, params, query } = call;
    const { session } = query;
    const request = session === undefined ? undefined : { session, mode: "control" as const };
    return serveSocket(call, options, {
      clientBegins: !request,
      talk: (connection) =>
        new PipedConversation(connection, {
          ...(request && {
            attach: (signal: AbortSignal) => sessions.attach(user, params.ref, request, signal),
          }),
          start: (fields, signal) => {
            const request = execRequestOf({ ...fields, stdin: true, session: true }, 0);
            return exec.start(user, params.ref, request, signal);
          },
        }),
    });
  });
}
