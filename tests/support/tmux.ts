/** A real terminal: tmux draws what programs write, and types what a person would. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

const config = [
  "set -g status off",
  "set -g remain-on-exit on",
  "set -g escape-time 0",
  "set -g default-terminal tmux-256color",
].join("\n");

/** A window with a local shell in it, whose prompt is `here$ `. */
export class Tmux implements AsyncDisposable {
  readonly #folder: string;
  readonly #socket: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#socket = join(folder, "socket");
  }

  /** `env` is what the shell's programs get besides PATH. */
  static async open(env: Record<string, string>, size = { cols: 80, rows: 24 }): Promise<Tmux> {
    const folder = mkdtempSync(join(tmpdir(), "bhatti-tmux-"));
    writeFileSync(join(folder, "tmux.conf"), config);
    const tmux = new Tmux(folder);
    const variables = { ...env, PS1: "here$ ", BASH_SILENCE_DEPRECATION_WARNING: "1" };
    // A window has the PATH of the client that asks for it, whatever -e says.
    const path = env["PATH"] ?? process.env["PATH"];
    await tmux.#runWith(
      { PATH: path },
      ...["-f", join(folder, "tmux.conf"), "new-session", "-d"],
      ...["-x", String(size.cols), "-y", String(size.rows)],
      ...Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]),
      ...["bash", "--norc", "--noprofile"],
    );
    await tmux.shows("here$");
    return tmux;
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.#run("send-keys", "-l", text);
  }

  /** Presses keys by tmux's names, such as `Enter`, `C-\\`, `Escape`. */
  async press(...keys: string[]): Promise<void> {
    await this.#run("send-keys", ...keys);
  }

  async enter(line: string): Promise<void> {
    await this.type(line);
    await this.press("Enter");
  }

  /** What the window shows now, without the blank ends of lines and of the screen. */
  async screen(): Promise<string> {
    return (await this.#run("capture-pane", "-p")).trimEnd();
  }

  /** The screen once it shows all of that; throws with the screen when it does not. */
  async shows(...wanted: (string | RegExp)[]): Promise<string> {
    return await this.#once(wanted.join(", "), (screen) =>
      wanted.every((one) => (typeof one === "string" ? screen.includes(one) : one.test(screen))),
    );
  }

  /** The screen once the text is gone from it. */
  async hides(text: string): Promise<string> {
    return await this.#once(`no ${text}`, (screen) => !screen.includes(text));
  }

  /** Once its first lines are these, or all of it when `isAll`. */
  async becomes(lines: string[], isAll = false): Promise<void> {
    const wanted = lines.join("\n");
    await this.#once(`exactly:\n${wanted}`, (screen) =>
      isAll ? screen === wanted : screen.startsWith(`${wanted}\n`),
    );
  }

  /** A fact that tmux knows, such as `alternate_on` or `cursor_flag`. */
  async fact(name: string): Promise<string> {
    return (await this.#run("display-message", "-p", `#{${name}}`)).trim();
  }

  /** Kills the pane, as closing its window does; another window keeps the server. */
  async killPane(): Promise<void> {
    const pane = (await this.fact("pane_id")).trim();
    await this.#run("new-window", "-d");
    await this.#run("kill-pane", "-t", pane);
  }

  async resize(size: { cols: number; rows: number }): Promise<void> {
    await this.#run("resize-window", "-x", String(size.cols), "-y", String(size.rows));
  }

  async clear(): Promise<void> {
    await this.press("C-l");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run("kill-server");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #once(what: string, holds: (screen: string) => boolean) {
    let screen = "";
    const look = async () => {
      screen = await this.screen();
      return holds(screen);
    };
    await until(what, look).catch((error: Error) => {
      throw new Error(`${error.message}; the screen shows:\n${screen}`);
    });
    return screen;
  }

  #run(...args: string[]): Promise<string> {
    return this.#runWith({ PATH: process.env["PATH"] }, ...args);
  }

  async #runWith(env: Record<string, string | undefined>, ...args: string[]): Promise<string> {
    const child = Bun.spawn(["tmux", "-S", this.#socket, ...args], {
      env: { ...env, LANG: "C.UTF-8", HOME: this.#folder, SHELL: "/bin/bash" },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if ((await child.exited) !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
}
