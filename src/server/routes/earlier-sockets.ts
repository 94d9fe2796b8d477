/** The WebSockets of earlier clients, for terminals and for programs that speak over stdio. */
import { endpoints } from "../../contract/all.ts";
import { usualTerminalSize } from "../../contract/exec-limits.ts";
import { execRequestOf } from "../exec-request.ts";
import { type Binder, implement } from "../implement.ts";
import type { RequestContext } from "../request.ts";
import { PipedConversation } from "../streams/piped-websocket.ts";
import { ShellConversation } from "../streams/shell-websocket.ts";
import { SocketConnection, type SocketOptions } from "../streams/socket-connection.ts";
import { upgrade } from "../streams/upgrade.ts";
import type { ExecRouteOptions } from "./exec.ts";

export function bindEarlierSockets(binder: Binder, options: ExecRouteOptions): void {
  const { exec, sessions, clock } = options;
  const serve = (
    context: RequestContext,
    userId: string,
    how: Pick<SocketOptions, "clientBegins" | "talk">,
  ) =>
    upgrade(context, options.identity.version, () => {
      const requestId = context.get("requestId");
      const admit = () => options.limiter.check(userId, "GET", context.req.path);
      return new SocketConnection({ requestId, clock, log: context.get("log"), admit, ...how });
    });

  implement(binder, endpoints["exec.shell"], ({ context, user, params, query }) => {
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
    return serve(context, user.id, {
      clientBegins: false,
      talk: (connection) => new ShellConversation(connection, start),
    });
  });

  implement(binder, endpoints["exec.piped"], ({ context, user, params, query }) => {
    const { session } = query;
    const request = session === undefined ? undefined : { session, mode: "control" as const };
    return serve(context, user.id, {
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
