/** A TCP line to a daemon that a test can cut, and mend. */
import type { Socket } from "bun";

type Far = Socket<undefined>;
type Near = Socket<{ far: Promise<Far> }>;

export interface CuttableLine extends Disposable {
  url: string;
  /** Ends all connections; new ones are refused until it is mended. */
  cut(): void;
  mend(): void;
}

/** Carries little, such as what is typed: it knows no back-pressure. */
export function cuttableLine(daemonUrl: string): CuttableLine {
  const target = Number(new URL(daemonUrl).port);
  const near = new Set<Near>();
  let isCut = false;
  const connect = (socket: Near): Promise<Far> =>
    Bun.connect({
      hostname: "127.0.0.1",
      port: target,
      socket: {
        data: (_far, bytes) => void socket.write(bytes),
        close: () => void socket.end(),
        error: () => void socket.end(),
      },
    });
  const listener = Bun.listen<{ far: Promise<Far> }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        if (isCut) socket.terminate();
        else {
          near.add(socket);
          socket.data = { far: connect(socket) };
        }
      },
      data: async (socket, bytes) => {
        const copy = bytes.slice();
        (await socket.data.far).write(copy);
      },
      async close(socket) {
        near.delete(socket);
        (await socket.data?.far)?.end();
      },
    },
  });
  return {
    url: `http://127.0.0.1:${listener.port}`,
    cut() {
      isCut = true;
      for (const socket of near) socket.terminate();
    },
    mend() {
      isCut = false;
    },
    [Symbol.dispose]: () => listener.stop(true),
  };
}
