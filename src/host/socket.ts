/** Unix sockets: the only place that knows node:net. A closed connection stays closed and says why. */
import net from "node:net";
import { pause, reasonOf } from "../async/deadline.ts";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";

/** The kernel's limit for the path of a Unix socket, without the zero byte that ends it. */
export const maxSocketPathBytes = 107;

const retryEveryMs = 3;

export interface Connection {
  /** Settles once it is over: with the error that ended it, or undefined when either side closed it. */
  readonly closed: Promise<Error | undefined>;
  /** Bytes that were written but that the kernel has not taken yet. */
  readonly buffered: number;
  /** Sets the one handler of incoming bytes, which belong to it. Nothing is read before. */
  onData(handler: (chunk: Uint8Array) => void): void;
  /**
   * Queues the bytes, which must not change any more, in the order of the calls. Resolves as soon as there is room for
   * more, rejects when the connection is over; who does not need to know may ignore the promise.
   */
  write(data: Uint8Array | string): Promise<void>;
  /** Stops, or goes on, calling the handler. While paused the other side's end goes unnoticed. */
  pause(): void;
  resume(): void;
  /** Gives up at once what is still queued. */
  close(): void;
}

export interface Listener {
  close(): Promise<void>;
}

/**
 * Connects to a Unix socket. With `retry`, a socket that does not exist or has no listener yet is tried again
 * until the signal ends. The signal has no effect on the connection once there is one.
 */
export async function connectUnix(
  path: string,
  options: { signal: AbortSignal; retry?: boolean },
): Promise<Connection> {
  checkPath(path);
  for (;;) {
    try {
      return await connectOnce(path, options.signal);
    } catch (error) {
      if (options.signal.aborted) throw reasonOf(options.signal);
      if (!options.retry || !isAbsent(error)) throw connectFailure(path, error);
    }
    await pause(retryEveryMs, options.signal);
  }
}

/** Listens on a Unix socket that must not exist yet. */
export function listenUnix(
  path: string,
  onConnection: (connection: Connection) => void,
): Promise<Listener> {
  checkPath(path);
  const { promise, resolve, reject } = Promise.withResolvers<Listener>();
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    onConnection(wrap(socket));
  });
  server.once("error", reject);
  server.listen(path, () => {
    server.off("error", reject);
    resolve({
      close: () =>
        new Promise((done) => {
          server.close(() => done());
          for (const socket of open) socket.destroy();
        }),
    });
  });
  return promise;
}

function checkPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > maxSocketPathBytes) {
    throw new BhattiError(
      "bad_config",
      `The socket path '${path}' has ${length} bytes, the maximum is ${maxSocketPathBytes}`,
    );
  }
}

function connectOnce(path: string, signal: AbortSignal): Promise<Connection> {
  if (signal.aborted) return Promise.reject(reasonOf(signal));
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const socket = net.createConnection({ path });
  const onAbort = () => {
    socket.destroy();
    reject(reasonOf(signal));
  };
  const onError = (error: Error) => {
    signal.removeEventListener("abort", onAbort);
    reject(error);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("error", onError);
  socket.once("connect", () => {
    signal.removeEventListener("abort", onAbort);
    const connection = wrap(socket);
    socket.off("error", onError);
    resolve(connection);
  });
  return promise;
}

function connectFailure(path: string, cause: unknown): BhattiError {
  return new BhattiError("machine_lost", `Cannot connect to '${path}': ${messageOf(cause)}`, {
    cause,
  });
}

function isAbsent(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "EAGAIN";
}

/** The other side closed while something was under way: no more than a close. */
function isHangUp(error: Error): boolean {
  return "code" in error && (error.code === "EPIPE" || error.code === "ECONNRESET");
}

function wrap(socket: net.Socket): Connection {
  const { promise: closed, resolve: settle } = Promise.withResolvers<Error | undefined>();
  const room = Promise.resolve();
  let failure: Error | undefined;
  let over = false;
  let drained: PromiseWithResolvers<void> | undefined;

  const refusal = () => {
    const why = failure ? `: ${failure.message}` : "";
    return new BhattiError("machine_lost", `The connection is closed${why}`, { cause: failure });
  };
  socket.on("error", (error) => {
    if (!isHangUp(error)) failure ??= error;
  });
  socket.on("drain", () => {
    drained?.resolve();
    drained = undefined;
  });
  socket.on("close", () => {
    over = true;
    drained?.reject(refusal());
    drained = undefined;
    settle(failure);
  });

  return {
    closed,
    get buffered() {
      return socket.writableLength;
    },
    onData(handler) {
      socket.removeAllListeners("data");
      socket.on("data", handler);
    },
    write(data) {
      if (over || socket.destroyed) return handled(Promise.reject(refusal()));
      if (socket.write(data)) return room;
      drained ??= Promise.withResolvers<void>();
      return handled(drained.promise);
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => void socket.destroy(),
  };
}

/** The same promise, which may now be ignored without ending the process when it rejects. */
function handled(promise: Promise<void>): Promise<void> {
  promise.catch(() => {});
  return promise;
}
