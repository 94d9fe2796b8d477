/** The connection to a machine's agent: opened on demand, and again after it was lost. */
import type { Guest } from "../../agent/guest.ts";
import { connectGuest } from "../../agent/lohar.ts";
import { abortable, within } from "../../async/deadline.ts";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import type { MachineEnd } from "../engine.ts";
import { consoleTail } from "./console.ts";
import { deadlineMs } from "./deadlines.ts";
import type { Qmp } from "./qmp/qmp.ts";

export interface GuestLineOptions {
  socket: string;
  qmp: Qmp;
  /** Ends all waits for the guest. */
  ended: Promise<MachineEnd>;
  /** No frame can be half received: the guest has had no connection since it was restored. */
  isFresh: boolean;
  /** The line, when there is one already. */
  guest?: Guest | undefined;
}

export class GuestLine {
  readonly #options: GuestLineOptions;
  #isFresh: boolean;
  #over: MachineEnd | undefined;
  #guest: Guest | undefined;
  #connecting: Promise<Guest> | undefined;

  constructor(options: GuestLineOptions) {
    this.#options = options;
    this.#isFresh = options.isFresh;
    if (options.guest) this.#use(options.guest);
  }

  /** Several may ask at once; the line has one end, so they share one attempt, which none of them may cancel. */
  async get(signal: AbortSignal): Promise<Guest> {
    if (this.#guest) return this.#guest;
    if (this.#over) throw lost(this.#over);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return await abortable(this.#connecting, signal);
  }

  /** Lets go of the line. With the machine's end there will not be another. */
  close(over?: MachineEnd): void {
    this.#over ??= over;
    this.#guest?.close();
    this.#guest = undefined;
  }

  async #connect(): Promise<Guest> {
    try {
      return this.#use(await this.#firstAnswer());
    } catch (cause) {
      if (this.#over) throw lost(this.#over);
      throw new BhattiError(
        "guest_unresponsive",
        `The guest did not respond: ${messageOf(cause)}. ${await consoleTail(this.#options.qmp)}`,
        { cause },
      );
    }
  }

  #use(guest: Guest): Guest {
    this.#guest = guest;
    this.#isFresh = false;
    void guest.closed.then(() => {
      if (this.#guest === guest) this.#guest = undefined;
    });
    return guest;
  }

  #firstAnswer(): Promise<Guest> {
    const over = this.#options.ended.then((end) => Promise.reject(lost(end)));
    over.catch(() => {});
    return within(deadlineMs.guest, "The guest's first reply", undefined, (signal) =>
      Promise.race([
        connectGuest(this.#options.socket, {
          signal,
          timeoutMs: deadlineMs.guest,
          betweenFrames: this.#isFresh,
        }),
        over,
      ]),
    );
  }
}

function lost(end: MachineEnd): BhattiError {
  return new BhattiError("machine_lost", `The VM exited (${end.reason}): ${end.detail}`);
}
