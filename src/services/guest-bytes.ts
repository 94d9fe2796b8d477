/** Bytes out of a guest whose machine is kept hot until they were read, or nobody wants them any more. */
import type { GuestBytes } from "../agent/guest-files.ts";
import type { Begun } from "./in-guest.ts";

export type { GuestBytes };

/** Must be consumed or released. */
export function whileRead({ value, use, explain }: Begun<GuestBytes>): GuestBytes {
  async function* read() {
    try {
      yield* value;
    } catch (error) {
      throw await explain(error);
    } finally {
      use[Symbol.dispose]();
    }
  }
  const bytes = read();
  return {
    [Symbol.asyncIterator]: () => bytes,
    release: () => {
      value.release();
      use[Symbol.dispose]();
    },
  };
}
