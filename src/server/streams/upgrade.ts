/** From a request to a WebSocket. */
import type { Clock } from "../../async/clock.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { Call } from "../implement.ts";
import type { RequestContext, ServedSocket } from "../request.ts";
import { SocketConnection, type SocketOptions } from "./socket-connection.ts";

/** Upgrades the request of a user and serves the WebSocket. */
export function serveSocket(
  { context, requestId, admit }: Pick<Call<unknown>, "context" | "requestId" | "admit">,
  { clock, identity }: { clock: Clock; identity: { version: string } },
  how: Pick<SocketOptions, "clientBegins" | "talk">,
): Response {
  const log = context.get("log");
  const authorized = context.get("whileAuthorized");
  const documentedErrors = context.get("documentedErrors");
  const options = { requestId, clock, log, admit, authorized, documentedErrors, ...how };
  const serve = () => new SocketConnection(options);
  return upgrade(context, identity.version, serve);
}

export function upgrade(
  context: RequestContext,
  version: string,
  serve: () => ServedSocket,
): Response {
  const request = context.req.raw;
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    context.header("Upgrade", "websocket");
    context.header("Connection", "Upgrade");
    throw new BhattiError("upgrade_required", "this endpoint requires a WebSocket upgrade");
  }
  const headers = { "X-Bhatti-Version": version, "X-Request-Id": context.get("requestId") };
  const served = serve();
  if (!context.env.server.upgrade(request, { data: { served }, headers })) {
    served.closed();
    throw new BhattiError("bad_request", "invalid WebSocket handshake");
  }
  return new Response(null, { status: 101 }); // for the log; the connection is the socket's now
}
