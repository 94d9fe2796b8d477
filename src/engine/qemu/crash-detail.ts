/** Finds out why a QEMU exited that the daemon has not ended. */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { lastWords } from "./launcher.ts";
import type { MachinePaths } from "./paths.ts";

const littleSpace = 16 * 1024 * 1024;

export async function crashDetail({ log, ram }: MachinePaths): Promise<string> {
  return `QEMU exited unexpectedly: ${await lastWords(log)}${await spaceNote(ram)}`;
}

/** A memory file that cannot grow ends QEMU by a signal, without a word. */
async function spaceNote(ram: string): Promise<string> {
  const { bavail, bsize } = await statfs(dirname(ram)).catch(() => ({
    bavail: 1,
    bsize: Infinity,
  }));
  return bavail * bsize < littleSpace ? ". The host disk is full" : "";
}
