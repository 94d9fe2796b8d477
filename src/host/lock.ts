/**
 * One daemon for each data directory. The lock is the kernel's, held through a SQLite file: it ends with its process,
 * however that ends, so no lock is ever stale and none is taken over by guessing. Who holds it is told beside it.
 */
import { Database } from "bun:sqlite";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { BhattiError, messageOf } from "../errors/bhatti-error.ts";
import { writeAtomically } from "./atomic-file.ts";
import { isFullDisk } from "./disk-space.ts";
import { startTimeOf } from "./process.ts";

export interface LockHolder {
  pid: number;
  /** With the pid, what tells this process from a later one: see `ProcessIdentity`. */
  startTime: number | undefined;
  /** RFC 3339. */
  started_at: string;
  /** Where it listens, once it does. */
  listen?: string;
}

export interface DirectoryLock extends AsyncDisposable {
  /** Adds to what others are told about the holder. */
  describe(more: Partial<LockHolder>): Promise<void>;
}

/** Throws host_unfit, naming the holder when another daemon has it. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const database = await takeLock(directory);
  const { pid } = process;
  const startTime = startTimeOf(pid);
  const holder: LockHolder = { pid, startTime, started_at: new Date().toISOString() };
  const path = holderPath(directory);
  // Informative: on a full disk the lock holds all the same.
  const tell = async () => {
    await writeAtomically(path, `${JSON.stringify(holder)}\n`).catch((error: unknown) => {
      if (!isFullDisk(error)) throw error;
    });
  };
  await tell();
  return {
    async describe(more) {
      Object.assign(holder, more);
      await tell();
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { force: true });
      database.close();
    },
  };
}

/** Where the pid, start and address of the daemon of a data directory are written. */
export function holderPath(directory: string): string {
  return join(directory, "daemon.json");
}

async function takeLock(directory: string): Promise<Database> {
  let database: Database | undefined;
  try {
    database = new Database(join(directory, "daemon.lock"), { create: true, readwrite: true });
    database.run("BEGIN IMMEDIATE");
    return database;
  } catch (error) {
    database?.close();
    if (database && (error as { code?: unknown }).code === "SQLITE_BUSY") {
      throw await alreadyLocked(directory, error);
    }
    throw new BhattiError(
      "host_unfit",
      `Cannot lock the data directory ${directory}: ${messageOf(error)}`,
      { cause: error, hint: "Choose a writable directory with --data-dir" },
    );
  }
}

async function alreadyLocked(directory: string, cause: unknown): Promise<BhattiError> {
  const holder = await readHolder(directory);
  const who = holder ? `pid ${holder.pid}, since ${holder.started_at}` : "pid unknown";
  return new BhattiError(
    "host_unfit",
    `Another bhatti daemon uses the data directory ${directory} (${who})`,
    { cause, hint: "Stop it first, or choose another directory with --data-dir" },
  );
}

async function readHolder(directory: string): Promise<LockHolder | undefined> {
  try {
    return JSON.parse(await readFile(holderPath(directory), "utf8")) as LockHolder;
  } catch {
    return undefined; // it is only for the message
  }
}
