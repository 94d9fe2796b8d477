/** What the programs of a session have switched on in our terminal, so that it can be left as it was found. */

const escapeByte = 0x1b;
/** No sequence that is looked for is longer. */
const longestSequence = 64;

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const sequences = /\x1b(?:\[\?([\d;]+)([hl])|\[>4(;[\d]+)?m|\[([<>])\d*u|\[([\d;]*)r|([=>c]))/g;

/** Private modes that are on by default: autowrap and the cursor. */
const usuallyOn = new Set(["7", "25"]);
/** Of the private modes those that outlive a program, as others make no difference to the next one. */
const known = new Set(
  "1 6 7 9 25 47 1000 1001 1002 1003 1004 1005 1006 1015 1016 1047 1049 2004".split(" "),
);

export class TerminalModes {
  readonly #unusual = new Set<string>();
  /** Kitty's keyboard protocol has a stack. */
  #keyboards = 0;
  #modifiedKeys = false;
  #keypad = false;
  #region = false;
  #colours = false;
  /** The end of what was followed, where a sequence may have begun. */
  #tail = "";

  /** Takes note of what the output of a session does. */
  follow(output: Uint8Array): void {
    if (this.#tail === "" && !output.includes(escapeByte)) return;
    const text =
      this.#tail + Buffer.from(output.buffer, output.byteOffset, output.length).toString("latin1");
    let end = 0;
    for (const match of text.matchAll(sequences)) {
      end = match.index + match[0].length;
      this.#take(match);
    }
    this.#colours ||= text.includes("\x1b[");
    const begun = text.lastIndexOf("\x1b");
    const isOpen = begun >= end && text.length - begun < longestSequence;
    this.#tail = isOpen ? text.slice(begun) : "";
  }

  /** Undoes what is on; nothing when nothing is. */
  undo(): string {
    // The margins come first: what is left of the screen then is the whole one.
    const margins = this.#region ? "\x1b7\x1b[r\x1b8" : "";
    const modes = [...this.#unusual].reverse();
    const privates = modes.map((mode) => `\x1b[?${mode}${usuallyOn.has(mode) ? "h" : "l"}`);
    return [
      margins,
      "\x1b[<u".repeat(this.#keyboards),
      this.#modifiedKeys ? "\x1b[>4m" : "",
      this.#keypad ? "\x1b>" : "",
      ...privates,
      this.#colours ? "\x1b[m" : "",
    ].join("");
  }

  #take([, modes, onOff, modifiedKeys, keyboard, margins, single]: RegExpExecArray): void {
    if (modes !== undefined) this.#switch(modes.split(";"), onOff === "h");
    else if (keyboard === ">") this.#keyboards += 1;
    else if (keyboard === "<") this.#keyboards = Math.max(0, this.#keyboards - 1);
    else if (margins !== undefined) this.#region = margins !== "" && margins !== ";";
    else if (single === "=" || single === ">") this.#keypad = single === "=";
    else if (single === "c") this.#forget();
    else this.#modifiedKeys = modifiedKeys !== undefined && modifiedKeys !== ";0";
  }

  #switch(modes: readonly string[], on: boolean): void {
    for (const mode of modes.filter((one) => known.has(one))) {
      if (on === usuallyOn.has(mode)) this.#unusual.delete(mode);
      else this.#unusual.add(mode);
    }
  }

  /** A full reset. */
  #forget(): void {
    this.#unusual.clear();
    this.#keyboards = 0;
    this.#modifiedKeys = this.#keypad = this.#region = false;
  }
}
