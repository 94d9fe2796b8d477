/**
 * What the page of the web shell is made of. scripts/build.ts puts the finished texts in this module's place, so that a
 * binary has no bundler to run; from source they are made when a page is first asked for.
 */
import { join } from "node:path";

export interface ShellAssets {
  /** With the places `{{nonce}}`, `{{style}}` and `{{script}}`. */
  html: string;
  style: string;
  script: string;
}

let made: Promise<ShellAssets> | undefined;

export function shellAssets(): Promise<ShellAssets> {
  made ??= make();
  return made;
}

async function make(): Promise<ShellAssets> {
  const read = (path: string) => Bun.file(join(import.meta.dirname, path)).text();
  const library = Bun.fileURLToPath(import.meta.resolve("@xterm/xterm/css/xterm.css"));
  const [html, own, terminal, script] = await Promise.all([
    read("shell.html"),
    read("shell.css"),
    Bun.file(library).text(),
    bundle(join(import.meta.dirname, "shell.ts")),
  ]);
  return { html, style: `${terminal}\n${own}`, script };
}

async function bundle(entry: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    format: "esm",
    minify: true,
    sourcemap: "none",
  });
  const [output] = outputs;
  if (!output) throw new Error(`${entry} produced no bundle`);
  return output.text();
}
