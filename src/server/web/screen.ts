/** The terminal on the page: fits the window, follows the system's colours, copies and pastes. */
import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";

export interface Screen {
  readonly terminal: Terminal;
  /** Puts it into the state of a new one. */
  clear(): void;
  /** Shows bytes; `shown` is called when they are on the screen. */
  show(bytes: Uint8Array, shown: () => void): void;
  setReadOnly(readOnly: boolean): void;
  /** From now on it has this size, whatever the window's, and small letters where it would not fit. */
  follow(size: { rows: number; cols: number }): void;
}

const usualFontSize = 14;
const smallestFontSize = 6;

const dark: ITheme = {
  background: "#16181d",
  foreground: "#e4e6eb",
  cursor: "#e07a45",
  cursorAccent: "#16181d",
  selectionBackground: "#3d4658",
  black: "#22252c",
  red: "#e5625e",
  green: "#6bbf8a",
  yellow: "#e0a33c",
  blue: "#6ea3e8",
  magenta: "#c58be0",
  cyan: "#5fc0c7",
  white: "#d5d8de",
  brightBlack: "#6b7280",
  brightRed: "#f28b86",
  brightGreen: "#93d8ac",
  brightYellow: "#f0c374",
  brightBlue: "#9bc1f5",
  brightMagenta: "#dbb0f0",
  brightCyan: "#93dde2",
  brightWhite: "#ffffff",
};
const light: ITheme = {
  background: "#fdfdfb",
  foreground: "#24262b",
  cursor: "#b9501c",
  cursorAccent: "#fdfdfb",
  selectionBackground: "#cfdcf0",
  black: "#24262b",
  red: "#c0352f",
  green: "#1f7a44",
  yellow: "#8a5a00",
  blue: "#2459b3",
  magenta: "#8a3fa8",
  cyan: "#0f717a",
  white: "#8b8f98",
  brightBlack: "#62666f",
  brightRed: "#a92822",
  brightGreen: "#186637",
  brightYellow: "#734a00",
  brightBlue: "#1b4690",
  brightMagenta: "#702f8a",
  brightCyan: "#0b5a61",
  brightWhite: "#3a3d44",
};

const lightColours = matchMedia("(prefers-color-scheme: light)");
const colours = () => (lightColours.matches ? light : dark);

export function openScreen(parent: HTMLElement): Screen {
  const terminal = new Terminal({
    theme: colours(),
    fontFamily: 'ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace',
    fontSize: usualFontSize,
    cursorBlink: true,
    scrollback: 5000,
    macOptionIsMeta: true,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(parent);
  let followed: { rows: number; cols: number } | undefined;
  const arrange = () => {
    if (followed) showWhole(terminal, fit, followed);
    else fit.fit();
  };
  arrange();
  new ResizeObserver(arrange).observe(parent);
  lightColours.addEventListener("change", () => {
    terminal.options.theme = colours();
  });
  terminal.attachCustomKeyEventHandler((event) => !isClipboardKey(event, terminal));
  return {
    terminal,
    clear: () => terminal.reset(),
    show: (bytes, shown) => terminal.write(bytes, shown),
    setReadOnly(readOnly) {
      terminal.options.disableStdin = readOnly;
      terminal.options.cursorBlink = !readOnly;
    },
    follow(size) {
      followed = size;
      parent.classList.add("whole");
      arrange();
    },
  };
}

function showWhole(
  terminal: Terminal,
  fit: FitAddon,
  { rows, cols }: { rows: number; cols: number },
): void {
  terminal.resize(cols, rows);
  for (let fontSize = usualFontSize; fontSize >= smallestFontSize; fontSize -= 1) {
    terminal.options.fontSize = fontSize;
    const room = fit.proposeDimensions();
    if (!room || (room.rows >= rows && room.cols >= cols)) return;
  }
}

/** Ctrl+Shift+C copies. Ctrl+Shift+V is left to the browser, which pastes without asking for a permission. */
function isClipboardKey(event: KeyboardEvent, terminal: Terminal): boolean {
  if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey) return false;
  if (event.code === "KeyV") return true;
  if (event.code !== "KeyC") return false;
  event.preventDefault(); // some browsers open their tools
  if (event.type === "keydown" && terminal.hasSelection()) copy(terminal.getSelection());
  return true;
}

function copy(text: string): void {
  // Without TLS only this machine's own pages have a clipboard; elsewhere xterm.js answers the older command.
  const older = () => document.execCommand("copy");
  if (navigator.clipboard) navigator.clipboard.writeText(text).catch(older);
  else older();
}
