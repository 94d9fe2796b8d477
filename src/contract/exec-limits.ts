/** Sizes and times that both ends of an exec keep to, apart from the schemas: a client starts without loading them. */

export const defaultExecTimeoutSeconds = 300;
export const maximumExecTimeoutSeconds = 86_400;

/** What a buffered answer holds of a command's output. */
export const bufferedOutputBytes = 10 * 1024 * 1024;

/**
 * The end of stderr in an answer with less than all output, for clients that do not know `truncated`. `last` is the byte
 * before it.
 */
export function truncationNote(keptBytes: number, last: number | undefined): string {
  const newline = last === undefined || last === 0x0a ? "" : "\n";
  const megabytes = Math.floor((keptBytes / 1_048_576) * 10) / 10;
  return `${newline}bhatti: output truncated at ${megabytes} MB\n`;
}

/**
 * Flow control of stdin on the WebSocket: a client may send this many bytes (channel bytes not counted) before the
 * first `stdin_credit`, and then as many more as each of those says. Beyond that the connection is ended.
 */
export const stdinWindowBytes = 262_144;

/** Default size of a terminal. */
export const usualTerminalSize = { rows: 24, cols: 80 };
