/** The page of a share link. It is the same for every id, so that it does not reveal which sandboxes exist. */
import type { ShellAssets } from "./assets.ts";

export class ShellPage {
  /** The parts of the page between the nonces, shared by all answers. */
  #pieces: Promise<Uint8Array[]> | undefined;

  async content(): Promise<{ content: Uint8Array[]; headers: Record<string, string> }> {
    this.#pieces ??= piecesOf();
    const nonce = crypto.getRandomValues(new Uint8Array(18)).toBase64();
    const pieces = await this.#pieces;
    const filling = new TextEncoder().encode(nonce);
    const content = pieces.flatMap((piece, index) => (index === 0 ? [piece] : [filling, piece]));
    return { content, headers: headersWith(nonce) };
  }
}

async function piecesOf(): Promise<Uint8Array[]> {
  const { shellAssets } = await import("./assets.ts");
  const encoder = new TextEncoder();
  return filled(await shellAssets())
    .split("{{nonce}}")
    .map((piece) => encoder.encode(piece));
}

function filled({ html, style, script }: ShellAssets): string {
  // Functions, as a replacement's text has a meaning for `$`.
  return html.replace("{{style}}", () => style).replace("{{script}}", () => inElement(script));
}

/** Within a script element these two would end it, or begin a comment; in a string or pattern they mean the same so. */
function inElement(script: string): string {
  return script.replaceAll(/<(?=\/script|!--)/gi, "\\x3c");
}

/** Allows only the page's own script and style, and connections to its daemon only. */
function headersWith(nonce: string): Record<string, string> {
  const policy = {
    "default-src": "'none'",
    "script-src": `'nonce-${nonce}'`,
    "style-src": `'nonce-${nonce}'`,
    // Also the WebSocket of the same host and port.
    "connect-src": "'self'",
    "img-src": "data:",
    "font-src": "data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
  };
  return {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": Object.entries(policy)
      .map((words) => words.join(" "))
      .join("; "),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": permissions,
    "X-Robots-Tag": "noindex, nofollow",
  };
}

const denied = ["camera", "display-capture", "geolocation", "microphone", "midi", "payment", "usb"];
const permissions = [...denied.map((name) => `${name}=()`), "clipboard-write=(self)"].join(", ");
