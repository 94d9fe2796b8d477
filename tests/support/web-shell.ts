/** A visitor of the web shell without a browser: what its page would send, and what it was told. */
import type { Share } from "../../src/contract/shares.ts";
import type { FakeDaemon } from "./fake-daemon.ts";
import { PlainSocket } from "./plain-socket.ts";

export async function shareOf(daemon: FakeDaemon, body: object = {}, ref = "dev"): Promise<Share> {
  return (await daemon.call<Share>("POST", `/sandboxes/${ref}/shell-token`, body)).body;
}

/** Whoever has it needs no key. */
export const noKey = { authorization: "" };

export async function knock(
  daemon: FakeDaemon,
  id: string,
  first: object | string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = noKey,
): Promise<PlainSocket> {
  const socket = new PlainSocket(daemon, `/_shell/${id}/ws`, headers);
  await socket.opened;
  const isRaw = typeof first === "string" || first instanceof Uint8Array;
  socket.send(isRaw ? first : JSON.stringify(first));
  return socket;
}

/** In, with a shell of one's own. */
export async function visit(daemon: FakeDaemon, id: string, token: string, more: object = {}) {
  const socket = await knock(daemon, id, { type: "auth", token, ...more });
  const session = await socket.told("session");
  return { socket, session: String(session["session_id"]), offset: Number(session["offset"]) };
}
