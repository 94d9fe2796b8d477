/** The operator's way in: the local database, through the same services as the daemon, whether it runs or not. */
import { existsSync } from "node:fs";
import { systemClock } from "../async/clock.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { prepareDataDirectory } from "../host/data-directory.ts";
import { daemonRunner, isRunning, processRunner } from "../host/runner.ts";
import { type Event, type EventSink, stamp } from "../observability/events.ts";
import { silentLogger } from "../observability/log.ts";
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

/** `create` makes a data directory that is not there yet; without it that is an error. */
export async function openOperator(
  dataDir: string,
  options: { create?: boolean } = {},
): Promise<Operator> {
  const path = databasePath(dataDir);
  if (options.create) await prepareDataDirectory(dataDir);
  else if (!existsSync(path)) throw nothingThere(dataDir);
  const store = openStore(path);
  const events: EventSink = { record: (event: Event) => store.events.insertAll([stamp(event)]) };
  const close = () => store[Symbol.dispose]();
  return {
    users: new Users(store, events),
    images: new Images(store, events, dataDir),
    operations: new Operations({
      ...{ store, events, log: silentLogger, clock: systemClock, runner: processRunner() },
      isRunning: (runner) => runner === daemonRunner || isRunning(runner),
    }),
    close,
    [Symbol.dispose]: close,
  };
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
