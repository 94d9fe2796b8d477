/** The listening server: requests and sockets in, and an orderly end. */
import type { Server } from "bun";
import { socketMs } from "../contract/deadlines.ts";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import { type AppOptions, createApp } from "./app.ts";
import { KeyWatch } from "./middleware/key-watch.ts";
import type { ServedSocket, SocketData } from "./request.ts";
import { largestMessage, maxBufferedBytes } from "./streams/socket-connection.ts";

export interface ListenAddress {
  hostname: string;
  port: number;
}

export type HttpServerOptions = Omit<AppOptions, "draining" | "closing" | "keys"> & {
  address: ListenAddress;
};

export interface HttpServer {
  readonly hostname: string;
  readonly port: number;
  /** Takes no more requests, waits for those that run, and cuts off what is left after the deadline. */
  stop(milliseconds: number): Promise<void>;
}

const idleSeconds = 120;
/** Another process that withdraws a key can only be noticed. */
const keyCheckMs = 250;

export function startServer(options: HttpServerOptions): HttpServer {
  const draining = new AbortController();
  const closing = new AbortController();
  const sockets = new Set<ServedSocket>();
  const keys = new KeyWatch(options.users);
  const signals = { draining: draining.signal, closing: closing.signal };
  const app = createApp({ ...options, keys, ...signals });
  const server = listen(options.address, {
    development: false,
    reusePort: false, // else a second server on the port is not refused (seen in Bun 1.4.5)
    idleTimeout: idleSeconds,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER, // the limits are the routes', with an answer that says so
    fetch: (request: Request, self: Server<SocketData>) => app.fetch(request, { server: self }),
    websocket: {
      idleTimeout: 0, // the connections judge for themselves
      sendPings: false,
      maxPayloadLength: largestMessage(options.limits.jsonBodyBytes),
      backpressureLimit: maxBufferedBytes,
      closeOnBackpressureLimit: true,
      open(socket) {
        sockets.add(socket.data.served);
        socket.data.served.opened(socket);
      },
      message: (socket, message) => socket.data.served.received(message),
      pong: (socket) => socket.data.served.heard(),
      drain: (socket) => socket.data.served.drained(),
      close(socket) {
        sockets.delete(socket.data.served);
        socket.data.served.closed();
      },
    },
  });
  const pings = setInterval(() => {
    for (const socket of sockets) socket.checkLife();
  }, socketMs.ping);
  const keyChecks = setInterval(() => {
    if (isBusy(server)) keys.check();
  }, keyCheckMs);

  return {
    hostname: server.hostname ?? options.address.hostname,
    port: server.port ?? options.address.port,
    async stop(milliseconds) {
      clearInterval(pings);
      clearInterval(keyChecks);
      draining.abort();
      const stopped = server.stop();
      const deadline = performance.now() + milliseconds;
      while (isBusy(server) && performance.now() < deadline) await Bun.sleep(10);
      const reason = new BhattiError("shutting_down", "the daemon is shutting down");
      closing.abort(reason);
      for (const socket of [...sockets]) socket.fail(reason);
      await Bun.sleep(isBusy(server) ? 50 : 0); // for the last words to leave
      await server.stop(true);
      await stopped;
    },
  };
}

function isBusy(server: Server<SocketData>): boolean {
  return server.pendingRequests + server.pendingWebSockets > 0;
}

type ServeOptions = Omit<Parameters<typeof Bun.serve<SocketData>>[0], "hostname" | "port">;

function listen({ hostname, port }: ListenAddress, options: ServeOptions): Server<SocketData> {
  try {
    return Bun.serve<SocketData>({ ...options, hostname, port } as Parameters<
      typeof Bun.serve<SocketData>
    >[0]);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw new BhattiError(
      "host_unfit",
      code === "EADDRINUSE"
        ? `Cannot listen on ${hostname}:${port}: address already in use`
        : `Cannot listen on ${hostname}:${port}: ${messageOf(error)}`,
      { cause: error, hint: "Set another address: listen: 127.0.0.1:<port> in the configuration" },
    );
  }
}
