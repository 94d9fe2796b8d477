/** A TCP line to a daemon that breaks after so many bytes. */
// biome-ignore lint/style/noRestrictedImports: both ends are ours, and one is reset on purpose
import { connect, createServer, type Socket } from "node:net";

export interface ShortLine extends AsyncDisposable {
  url: string;
  /** Bytes that have gone either way. */
  carried(): number;
}

/** The first connection carries `most` bytes both ways together, then it is reset, or ends in good order at both ends. */
export async function shortLine(
  daemonUrl: string,
  most: number,
  how: "reset" | "end",
): Promise<ShortLine> {
  let carried = 0;
  const port = Number(new URL(daemonUrl).port);
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const breakOff = () => {
      for (const side of [near, far]) {
        if (how === "reset") side.resetAndDestroy();
        else side.end();
      }
    };
    const pass = (from: Socket, to: Socket) => {
      from.on("data", (bytes: Buffer) => {
        const taken = bytes.subarray(0, Math.max(0, most - carried));
        carried += bytes.length;
        if (taken.length > 0 && !to.write(taken)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
        if (carried >= most) breakOff();
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
    };
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    carried: () => carried,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
