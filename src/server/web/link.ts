/** The connection to the daemon: what is typed goes up, output comes down, both within bounds. */
import type { ShareAuth, ShareControl, ShareEvent } from "../../contract/shares.ts";

export interface LinkEvents {
  told(event: ShareEvent): void;
  output(bytes: Uint8Array): void;
  closed(): void;
}

/** Of output on its way to the screen. */
export const windowBytes = 262_144;
const takenStep = windowBytes / 4;
/** What may be typed before the daemon gives more credit. */
const typedWindow = 262_144;
/** The daemon says something twice a minute. */
const silenceMs = 75_000;

export class Link {
  readonly #socket: WebSocket;
  readonly #events: LinkEvents;
  #credit = typedWindow;
  #typed: Uint8Array<ArrayBuffer>[] = [];
  #taken = 0;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(url: URL, auth: ShareAuth, events: LinkEvents) {
    this.#events = events;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#socket.send(JSON.stringify(auth));
    this.#socket.onmessage = ({ data }) => this.#received(data);
    this.#socket.onclose = () => this.#over();
    this.#listen();
  }

  type(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length > 0) this.#typed.push(bytes);
    this.#send();
  }

  control(message: ShareControl): void {
    if (this.#isOpen) this.#socket.send(JSON.stringify(message));
  }

  /** So many bytes of output are on the screen. */
  took(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken < takenStep) return;
    this.control({ type: "taken", bytes: this.#taken });
    this.#taken = 0;
  }

  /** Nothing more is heard of it. */
  close(): void {
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    clearTimeout(this.#silence);
    this.#socket.close();
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  #received(data: string | ArrayBuffer): void {
    this.#listen();
    if (typeof data !== "string") {
      this.#events.output(new Uint8Array(data));
      return;
    }
    const event = JSON.parse(data) as ShareEvent;
    if (event.type === "stdin_credit") {
      this.#credit += event.bytes;
      this.#send();
    } else if (event.type !== "alive") {
      this.#events.told(event);
    }
  }

  #send(): void {
    while (this.#isOpen && this.#credit > 0) {
      const next = this.#typed.shift();
      if (!next) return;
      const now = next.subarray(0, this.#credit);
      if (now.length < next.length) this.#typed.unshift(next.subarray(now.length));
      this.#credit -= now.length;
      this.#socket.send(now);
    }
  }

  /** A network that is gone says nothing, not even that. */
  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.close();
      this.#over();
    }, silenceMs);
  }

  #over(): void {
    clearTimeout(this.#silence);
    this.#events.closed();
  }
}
