import { expect, test } from "bun:test";
import { Client } from "../client/client.ts";
import { webSocketConnector } from "./web-socket.ts";

/** The port is closed; a plain request is answered as by a daemon that has started in between. */
function upgradeWhileStarting(status: number) {
  const client = new Client({
    url: "http://127.0.0.1:1",
    token: "t",
    fetch,
    connectWebSocket: webSocketConnector(async () =>
      Response.json({ error: "refused", code: "from_the_daemon" }, { status }),
    ),
  });
  return client.upgrade("exec.stream", { params: { ref: "dev" } });
}

test("a handshake that failed while the daemon started is a transport error", async () => {
  await expect(upgradeWhileStarting(426)).rejects.toMatchObject({
    code: "daemon_unreachable",
    message: "cannot reach the daemon at http://127.0.0.1:1: connection refused",
  });
});

test("a handshake that the daemon refuses fails with the daemon's error", async () => {
  await expect(upgradeWhileStarting(401)).rejects.toMatchObject({
    code: "from_the_daemon",
    message: "refused",
    status: 401,
  });
});
