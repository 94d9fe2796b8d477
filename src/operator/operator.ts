/** The operator's way in: the local database, through the same services as the daemon, whether it runs or not. */
import { existsSync } from "node:fs";
import { systemClock } from "../async/clock.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { prepareDataDirectory } from "../host/data-directory.ts";
import { daemonRunner, isRunning, processRunner } from "../host/runner.ts";
import { EventRecorder } from "../observability/events.ts";
import { createLogger } from "../observability/log.ts";
import { type ImageRecord, Images } from "../services/images.ts";
import { Operations } from "../services/operations.ts";
import { type User, Users, type UserWithUsage } from "../services/users.ts";
import { databasePath, openStore } from "../store/store.ts";

export type { ImageRecord, User, UserWithUsage };

export interface Operator extends Disposable {
  users: Users;
  images: Images;
  /** Operations of this process; the daemon lists them too. */
  operations: Operations;
  close(): void;
}

export interface OperatorOptions {
  /** Creates a data directory that does not exist, which is an error otherwise. */
  create?: boolean;
  /** Called for what fails without failing the command, such as recording an event. */
  warn?(message: string): void;
}

export async function openOperator(
  dataDir: string,
  { create = false, warn = () => {} }: OperatorOptions = {},
): Promise<Operator> {
  const path = databasePath(dataDir);
  if (create) await prepareDataDirectory(dataDir);
  else if (!existsSync(path)) throw nothingThere(dataDir);
  const store = openStore(path);
  const log = createLogger({ level: "warn", write: (line) => warn(messageIn(line)) });
  const events = new EventRecorder({ write: (batch) => store.events.insertAll(batch), log });
  const close = () => {
    events[Symbol.dispose]();
    store[Symbol.dispose]();
  };
  return {
    users: new Users(store, events),
    images: new Images(store, events, dataDir),
    operations: new Operations({
      ...{ store, events, log, clock: systemClock, runner: processRunner() },
      isRunning: (runner) => runner === daemonRunner || isRunning(runner),
    }),
    close,
    [Symbol.dispose]: close,
  };
}

function messageIn(line: string): string {
  const { msg, error } = JSON.parse(line) as { msg: string; error?: { message: string } };
  return error ? `${msg}: ${error.message}` : msg;
}

function nothingThere(dataDir: string): BhattiError {
  return new BhattiError(
    "host_unfit",
    `No readable bhatti database in ${dataDir}; this command must run on the daemon's host`,
    {
      hint: "Name the data directory with --data-dir, or create a database: bhatti user create --name <name>",
    },
  );
}
