/** What answers cost the daemon that their clients do not read. */
import type { BenchDaemon } from "./daemon.ts";
import { residentMB } from "./memory.ts";

const clients = 10;
const watchMs = 10_000;

/**
 * Megabytes by which the daemon grows at most while 10 clients request 10 MB of NUL bytes each and read nothing. As JSON
 * one of these answers has 60 MB.
 */
export async function unreadAnswers(
  daemon: BenchDaemon,
  sandbox: string,
): Promise<Record<string, number>> {
  const before = await residentMB(daemon.pid);
  const request = () => requestUnread(daemon, sandbox);
  const sockets = await Promise.all(Array.from({ length: clients }, request));
  try {
    let most = before;
    for (let waited = 0; waited < watchMs; waited += 100) {
      await Bun.sleep(100);
      most = Math.max(most, await residentMB(daemon.pid));
    }
    const growth = Math.round(most - before);
    return { [`${clients} buffered answers of 10 MB unread, daemon's growth in MB`]: growth };
  } finally {
    for (const socket of sockets) socket.terminate();
  }
}

async function requestUnread({ url, key }: BenchDaemon, sandbox: string) {
  const { hostname, port } = new URL(url);
  const body = JSON.stringify({ cmd: ["head", "-c", "10485760", "/dev/zero"] });
  const socket = await Bun.connect({ hostname, port: Number(port), socket: { data() {} } });
  socket.pause();
  socket.write(
    `POST /sandboxes/${sandbox}/exec HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${key}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}
