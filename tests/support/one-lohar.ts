/** One lohar for all tests of a file, each of which finds its default directory empty. */
import { afterAll, beforeAll, beforeEach } from "bun:test";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Guest } from "../../src/agent/guest.ts";
import { RealLohar } from "./lohar.ts";

export let lohar: RealLohar;
export let guest: Guest;

/** Called once by the file. */
export function useOneLohar(): void {
  beforeAll(async () => {
    lohar = await RealLohar.start();
    guest = await lohar.connect();
  });
  afterAll(() => lohar[Symbol.asyncDispose]());
  beforeEach(async () => {
    await rm(lohar.directory, { recursive: true });
    await mkdir(lohar.directory);
  });
}

/** In the default directory. */
export function here(path: string): string {
  return join(lohar.directory, path);
}
