/** From a request to a WebSocket. */
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { RequestContext, ServedSocket } from "../request.ts";

export function upgrade(
  context: RequestContext,
  version: string,
  serve: () => ServedSocket,
): Response {
  const request = context.req.raw;
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    throw new BhattiError("bad_request", "this endpoint speaks WebSocket only");
  }
  const headers = { "X-Bhatti-Version": version, "X-Request-Id": context.get("requestId") };
  if (!context.env.server.upgrade(request, { data: { served: serve() }, headers })) {
    throw new BhattiError("bad_request", "the WebSocket handshake is not valid");
  }
  return new Response(null, { status: 101 }); // for the log; the connection is the socket's now
}
