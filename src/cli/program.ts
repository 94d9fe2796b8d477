/**
 * The table of all commands, nothing else. The commands themselves are small and start with the program: a file of
 * their own for each costs more (0.2 ms) than their code. What is large behind them is loaded when it is needed.
 */
import type { PlannedFeature } from "../contract/planned.ts";
import type { Command } from "./command.ts";
import { create } from "./commands/create.ts";
import { destroy } from "./commands/destroy.ts";
import { edit } from "./commands/edit.ts";
import { exec } from "./commands/exec.ts";
import {
  copyFile,
  listFiles,
  makeDirectory,
  moveFile,
  readFile,
  removeFile,
  statFile,
  watchFiles,
  writeFile,
} from "./commands/file.ts";
import { pullFiles, pushFiles } from "./commands/file-transfer.ts";
import { buildImage, listImages } from "./commands/image.ts";
import { inspect } from "./commands/inspect.ts";
import { list } from "./commands/list.ts";
import {
  cancelOperation,
  inspectOperation,
  listOperations,
  waitForOperation,
} from "./commands/operation.ts";
import { serve } from "./commands/serve.ts";
import { attach, kill, logs, ps, shell } from "./commands/session.ts";
import { setup } from "./commands/setup.ts";
import { share } from "./commands/share.ts";
import {
  createSnapshot,
  deleteSnapshot,
  listSnapshots,
  restoreSnapshot,
  resumeSnapshot,
} from "./commands/snapshot.ts";
import { start } from "./commands/start.ts";
import { stop } from "./commands/stop.ts";
import { createUser, deleteUser, listUsers, rotateKey } from "./commands/user.ts";
import { version } from "./commands/version.ts";

export const groups = ["Core", "Resources", "Setup & Admin", "More"] as const;

export interface Entry {
  name: string;
  aliases?: readonly string[];
  group?: (typeof groups)[number];
  summary: string;
  command?: Command;
  commands?: readonly Entry[];
  /** The feature that will bring the command; until then it prints the version. */
  planned?: PlannedFeature;
}

const userCommands: Entry[] = [
  { name: "create", summary: "Create a user and print the API key", command: createUser },
  { name: "list", aliases: ["ls"], summary: "List users", command: listUsers },
  { name: "rotate-key", summary: "Rotate the API key of a user", command: rotateKey },
  { name: "delete", aliases: ["rm"], summary: "Delete a user", command: deleteUser },
];

const imageCommands: Entry[] = [
  { name: "build", summary: "Build an image from a recipe", command: buildImage },
  { name: "list", aliases: ["ls"], summary: "List images", command: listImages },
  { name: "pull", summary: "Pull an image from a registry", planned: "images" },
  { name: "import", summary: "Import a Docker image or a tar archive", planned: "images" },
  { name: "save", summary: "Save a sandbox's disk as an image", planned: "images" },
  { name: "delete", summary: "Delete an image", planned: "images" },
  { name: "share", summary: "Share an image with other users", planned: "images" },
  { name: "unshare", summary: "Stop sharing an image", planned: "images" },
];

const snapshotCommands: Entry[] = [
  { name: "create", summary: "Snapshot a sandbox", command: createSnapshot },
  { name: "list", aliases: ["ls"], summary: "List snapshots", command: listSnapshots },
  { name: "resume", summary: "Create a sandbox from a snapshot", command: resumeSnapshot },
  {
    name: "restore",
    summary: "Restore a sandbox to a snapshot, in place",
    command: restoreSnapshot,
  },
  { name: "delete", aliases: ["rm"], summary: "Delete a snapshot", command: deleteSnapshot },
];

const operationCommands: Entry[] = [
  { name: "list", aliases: ["ls"], summary: "List operations", command: listOperations },
  { name: "inspect", summary: "Show details of an operation", command: inspectOperation },
  { name: "cancel", summary: "Cancel an operation", command: cancelOperation },
  { name: "wait", summary: "Wait for an operation to end", command: waitForOperation },
];

const fileCommands: Entry[] = [
  { name: "read", summary: "Print a file", command: readFile },
  { name: "write", summary: "Write stdin to a file", command: writeFile },
  { name: "ls", aliases: ["list"], summary: "List a directory", command: listFiles },
  { name: "stat", summary: "Show type, size, mode and owner of a path", command: statFile },
  { name: "mkdir", summary: "Create a directory", command: makeDirectory },
  { name: "rm", summary: "Remove a file or directory", command: removeFile },
  { name: "mv", summary: "Move or rename a file or directory", command: moveFile },
  { name: "cp", summary: "Copy a file or directory within the sandbox", command: copyFile },
  { name: "push", summary: "Copy local files to the sandbox", command: pushFiles },
  { name: "pull", summary: "Copy files from the sandbox", command: pullFiles },
  { name: "watch", summary: "Watch a file or directory for changes", command: watchFiles },
];

export const entries: readonly Entry[] = [
  { name: "create", group: "Core", summary: "Create a sandbox, or fork one", command: create },
  {
    name: "edit",
    group: "Core",
    summary: "Update the name, labels or idle policy of a sandbox",
    command: edit,
  },
  { name: "list", aliases: ["ls"], group: "Core", summary: "List sandboxes", command: list },
  {
    name: "destroy",
    aliases: ["rm"],
    group: "Core",
    summary: "Destroy a sandbox",
    command: destroy,
  },
  { name: "stop", group: "Core", summary: "Suspend a sandbox to disk", command: stop },
  { name: "start", group: "Core", summary: "Resume a stopped sandbox", command: start },
  { name: "exec", group: "Core", summary: "Run a command in a sandbox", command: exec },
  {
    name: "shell",
    aliases: ["sh"],
    group: "Core",
    summary: "Open a shell in a sandbox",
    command: shell,
  },
  {
    name: "share",
    group: "Core",
    summary: "Create or revoke a link to a web shell",
    command: share,
  },
  { name: "image", group: "Resources", summary: "Manage images", commands: imageCommands },
  { name: "snapshot", group: "Resources", summary: "Manage snapshots", commands: snapshotCommands },
  {
    name: "operation",
    aliases: ["op"],
    group: "Resources",
    summary: "Manage long-running operations",
    commands: operationCommands,
  },
  {
    name: "setup",
    group: "Setup & Admin",
    summary: "Configure the daemon URL and API key",
    command: setup,
  },
  { name: "user", group: "Setup & Admin", summary: "Manage users", commands: userCommands },
  { name: "serve", group: "Setup & Admin", summary: "Run the daemon", command: serve },
  {
    name: "inspect",
    aliases: ["info"],
    group: "More",
    summary: "Show details of a sandbox",
    command: inspect,
  },
  { name: "ps", group: "More", summary: "List the sessions of a sandbox", command: ps },
  { name: "attach", group: "More", summary: "Attach to a session", command: attach },
  { name: "kill", group: "More", summary: "Kill a session, or send it a signal", command: kill },
  { name: "logs", group: "More", summary: "Print the output of a session", command: logs },
  { name: "file", group: "More", summary: "Manage files in a sandbox", commands: fileCommands },
  {
    name: "version",
    group: "More",
    summary: "Print the client and daemon versions",
    command: version,
  },
  { name: "publish", summary: "Publish a port with a public URL", planned: "networking" },
  { name: "unpublish", summary: "Unpublish a port", planned: "networking" },
  { name: "ports", summary: "List the listening ports of a sandbox", planned: "networking" },
  { name: "forward", summary: "Forward a local port to a sandbox", planned: "networking" },
  { name: "volume", summary: "Manage volumes and their backups", planned: "volumes" },
  { name: "secret", summary: "Manage secrets", planned: "secrets" },
  { name: "admin", summary: "Show the status, events and metrics", planned: "operator tools" },
  { name: "update", summary: "Update bhatti", planned: "updates" },
  { name: "completion", summary: "Generate a shell completion script", planned: "updates" },
];
