/** A way to the daemon that can be cut, as a network is. */
import type { Socket } from "bun";

export interface CutProxy extends Disposable {
  readonly url: string;
  /** Ends all connections; with `refusing`, new ones too until `mend`. */
  cut(refusing?: boolean): void;
  mend(): void;
}

interface End {
  other: Promise<Socket<End>> | undefined;
  /** What its socket had no room for. */
  waiting: Buffer;
}

const newEnd = (other?: Promise<Socket<End>>): End => ({ other, waiting: Buffer.alloc(0) });

const handlers = {
  data(socket: Socket<End>, bytes: Buffer) {
    const copy = Buffer.from(bytes);
    void socket.data.other?.then((other) => send(other, copy));
  },
  drain: (socket: Socket<End>) => send(socket, Buffer.alloc(0)),
  close: (socket: Socket<End>) => void socket.data.other?.then((other) => other.end()),
};

function send(socket: Socket<End>, bytes: Buffer): void {
  const all = Buffer.concat([socket.data.waiting, bytes]);
  const sent = all.length > 0 ? socket.write(all) : 0;
  socket.data.waiting = all.subarray(Math.max(sent, 0));
}

export function openCutProxy(target: string): CutProxy {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket<End>>();
  let isDown = false;
  const listener = Bun.listen<End>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handlers,
      open(socket) {
        socket.data = newEnd();
        if (isDown) {
          socket.terminate();
          return;
        }
        sockets.add(socket);
        const data = newEnd(Promise.resolve(socket));
        socket.data.other = Bun.connect({ hostname, port: Number(port), data, socket: handlers });
      },
    },
  });
  return {
    url: `http://127.0.0.1:${listener.port}`,
    cut(refusing = false) {
      isDown = refusing;
      for (const socket of sockets) socket.terminate();
      sockets.clear();
    },
    mend() {
      isDown = false;
    },
    [Symbol.dispose]: () => listener.stop(true),
  };
}
