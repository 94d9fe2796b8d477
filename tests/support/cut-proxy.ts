/** A way to the daemon that can be cut, as a network is. */
import type { Socket } from "bun";

export interface CutProxy extends Disposable {
  readonly url: string;
  /** Ends all connections; with `refusing`, new ones too until `mend`. */
  cut(refusing?: boolean): void;
  mend(): void;
}

interface Pair {
  other: Promise<Socket<Pair>>;
}

export function openCutProxy(target: string): CutProxy {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket<Pair>>();
  let isDown = false;
  const handlers = {
    data: (socket: Socket<Pair>, bytes: Buffer) => {
      const copy = Buffer.from(bytes);
      // The frames of a page are small: what does not fit is not lost but waits in the kernel.
      void socket.data.other.then((other) => other.write(copy));
    },
    close: (socket: Socket<Pair>) => {
      sockets.delete(socket);
      void socket.data.other.then((other) => other.end());
    },
  };
  const listener = Bun.listen<Pair>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handlers,
      open(socket) {
        if (isDown) {
          socket.data = { other: Promise.resolve(socket) };
          socket.terminate();
          return;
        }
        sockets.add(socket);
        const data = { other: Promise.resolve(socket) };
        const other = Bun.connect<Pair>({ hostname, port: Number(port), data, socket: handlers });
        socket.data = { other };
      },
    },
  });
  return {
    url: `http://127.0.0.1:${listener.port}`,
    cut(refusing = false) {
      isDown = refusing;
      for (const socket of sockets) socket.terminate();
    },
    mend() {
      isDown = false;
    },
    [Symbol.dispose]: () => listener.stop(true),
  };
}
