/** The HTTP beginning of a WebSocket: the request, and what the answer means. */
import { UpgradeRefused } from "../client/transport.ts";

/** More than any answer to an upgrade; what is longer is cut. */
const longestRefusal = 65_536;

export interface Handshake {
  request: string;
  /** Takes bytes until the answer is complete. Throws UpgradeRefused when it is no upgrade. */
  receive(chunk: Uint8Array): { headers: Headers; rest: Uint8Array } | undefined;
  /** The connection ended: the refusal that has arrived so far, if any. */
  end(): UpgradeRefused | undefined;
}

export function handshake(url: URL, headers: Record<string, string>): Handshake {
  const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
  let received = new Uint8Array(0);
  return {
    request: requestText(url, key, headers),
    receive(chunk) {
      received = Buffer.concat([received, chunk]);
      const head = parseHead(received);
      if (!head) return undefined;
      const rest = received.subarray(head.size);
      if (head.status === 101) {
        if (head.headers.get("sec-websocket-accept") !== acceptFor(key)) {
          throw refusal(head, new Uint8Array(0));
        }
        return { headers: head.headers, rest };
      }
      if (rest.length >= lengthOf(head.headers)) throw refusal(head, rest);
      return undefined;
    },
    end() {
      const head = parseHead(received);
      return head && refusal(head, received.subarray(head.size));
    },
  };
}

function requestText(url: URL, key: string, headers: Record<string, string>): string {
  const lines = [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${key}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

interface Head {
  status: number;
  reason: string;
  headers: Headers;
  size: number;
}

function parseHead(bytes: Uint8Array): Head | undefined {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, longestRefusal));
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) {
    if (text.length >= longestRefusal) throw new Error("the answer is not HTTP");
    return undefined;
  }
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first);
  if (!status) throw new Error("the answer is not HTTP");
  const headers = new Headers();
  for (const line of lines) {
    const at = line.indexOf(":");
    if (at > 0) headers.append(line.slice(0, at).trim(), line.slice(at + 1).trim());
  }
  return { status: Number(status[1]), reason: status[2] ?? "", headers, size: end + 4 };
}

/** How much body to wait for; without a length, all that comes until the connection ends. */
function lengthOf(headers: Headers): number {
  const length = headers.get("content-length");
  return length === null ? longestRefusal : Math.min(Number(length), longestRefusal);
}

function refusal(head: Head, body: Uint8Array): UpgradeRefused {
  // An answer of 1xx can't be made into a Response; that it was no upgrade is what matters.
  const status = head.status < 200 ? 502 : head.status;
  const hasBody = status !== 204 && status !== 304;
  const init = { status, statusText: head.reason, headers: head.headers };
  return new UpgradeRefused(new Response(hasBody ? dechunked(head.headers, body) : null, init));
}

function dechunked(headers: Headers, body: Uint8Array): string {
  const text = new TextDecoder().decode(body);
  if (!headers.get("transfer-encoding")?.includes("chunked")) return text;
  return text.replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$|\r\n[0-9a-f]+\r\n/gi, "");
}

function acceptFor(key: string): string {
  return new Bun.CryptoHasher("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
}
