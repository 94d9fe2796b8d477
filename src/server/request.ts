/** What the server knows of a request, from its first middleware to its handler. */
import type { Server } from "bun";
import type { Context } from "hono";
import type { Logger } from "../observability/log.ts";
import type { User } from "../services/users.ts";
import type { ExecSocket } from "./streams/exec-websocket.ts";

export interface SocketData {
  session: ExecSocket;
}

export interface Environment {
  Bindings: { server: Server<SocketData> };
  Variables: {
    requestId: string;
    /** Undefined on public endpoints. */
    user: User | undefined;
    log: Logger;
  };
}

export type RequestContext = Context<Environment>;
