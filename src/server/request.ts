/** What the server knows of a request, from its first middleware to its handler. */
import type { Server, ServerWebSocket } from "bun";
import type { Context } from "hono";
import type { ErrorCode } from "../errors/catalogue.ts";
import type { Logger } from "../observability/log.ts";
import type { User } from "../services/users.ts";

/** The handler of a WebSocket: the server passes it the events of the connection, and ends it. */
export interface ServedSocket {
  opened(socket: ServerWebSocket<SocketData>): void;
  received(message: string | Buffer): void;
  /** The client has taken what was sent. */
  drained(): void;
  /** The client gave a sign of life. */
  heard(): void;
  /** Asks for a sign of life, every 30 s. */
  checkLife(): void;
  /** Called when the connection is closed, by either side. */
  closed(): void;
  /** Tells the error as the last message. */
  fail(error: unknown): void;
}

export interface SocketData {
  served: ServedSocket;
}

export interface Environment {
  Bindings: { server: Server<SocketData> };
  Variables: {
    requestId: string;
    /** Undefined on public endpoints. */
    user: User | undefined;
    /** Aborted when the user's key is not valid any more. */
    whileAuthorized: AbortSignal | undefined;
    log: Logger;
    /** Codes that the endpoint's description has; undefined outside of endpoints. */
    documentedErrors: ReadonlySet<ErrorCode> | undefined;
    /** What its user should know about how the sandbox came to run for it. */
    warning: string | undefined;
    /** The operation that the request started, or waits for. */
    operation: string | undefined;
  };
}

export type RequestContext = Context<Environment>;

/** Whose connection it is; behind a proxy, the proxy's. */
export function addressOf(context: RequestContext): string {
  return context.env.server.requestIP(context.req.raw)?.address ?? "unknown";
}
