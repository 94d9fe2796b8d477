/**
 * The table of all commands, nothing else. The commands themselves are small and start with the program: a file of
 * their own for each costs more (0.2 ms) than their code. What is large behind them is loaded when it is needed.
 */
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
}

const userCommands: Entry[] = [
  {
    name: "create",
    summary: "Create a user and print its API key, once",
    command: createUser,
  },
  {
    name: "list",
    aliases: ["ls"],
    summary: "List users",
    command: listUsers,
  },
  {
    name: "rotate-key",
    summary: "Replace a user's API key; the old one is refused at once",
    command: rotateKey,
  },
  {
    name: "delete",
    aliases: ["rm"],
    summary: "Delete a user who has no sandboxes and no snapshots",
    command: deleteUser,
  },
];

const imageCommands: Entry[] = [
  {
    name: "build",
    summary: "Build an image from a recipe",
    command: buildImage,
  },
  {
    name: "list",
    aliases: ["ls"],
    summary: "List images",
    command: listImages,
  },
];

const snapshotCommands: Entry[] = [
  {
    name: "create",
    summary: "Keep a sandbox as it is now; it runs on",
    command: createSnapshot,
  },
  {
    name: "list",
    aliases: ["ls"],
    summary: "List snapshots",
    command: listSnapshots,
  },
  {
    name: "resume",
    summary: "Make a new sandbox that goes on from a snapshot",
    command: resumeSnapshot,
  },
  {
    name: "restore",
    summary: "Put a sandbox back to a snapshot, in place",
    command: restoreSnapshot,
  },
  {
    name: "delete",
    aliases: ["rm"],
    summary: "Delete a snapshot; the sandboxes made from it stay",
    command: deleteSnapshot,
  },
];

const fileCommands: Entry[] = [
  { name: "read", summary: "Print a file, or a part of it", command: readFile },
  { name: "write", summary: "Write what comes on stdin into a file", command: writeFile },
  { name: "ls", aliases: ["list"], summary: "List a directory", command: listFiles },
  { name: "stat", summary: "Show what there is at a path", command: statFile },
  { name: "mkdir", summary: "Make a directory", command: makeDirectory },
  { name: "rm", summary: "Remove a file or a directory", command: removeFile },
  { name: "mv", summary: "Move or rename", command: moveFile },
  { name: "cp", summary: "Copy within the sandbox", command: copyFile },
  { name: "push", summary: "Copy local files into the sandbox", command: pushFiles },
  { name: "pull", summary: "Copy the sandbox's files to here", command: pullFiles },
  { name: "watch", summary: "Print changes as they happen", command: watchFiles },
];

export const entries: readonly Entry[] = [
  {
    name: "create",
    group: "Core",
    summary: "Create a sandbox, or copies of one",
    command: create,
  },
  {
    name: "edit",
    group: "Core",
    summary: "Change a sandbox's name, labels, or what it does while idle",
    command: edit,
  },
  {
    name: "list",
    aliases: ["ls"],
    group: "Core",
    summary: "List sandboxes",
    command: list,
  },
  {
    name: "destroy",
    aliases: ["rm"],
    group: "Core",
    summary: "Destroy a sandbox and its disk",
    command: destroy,
  },
  {
    name: "stop",
    group: "Core",
    summary: "Put all of a sandbox on the disk, until it is used again",
    command: stop,
  },
  {
    name: "start",
    group: "Core",
    summary: "Let a stopped sandbox go on where it was",
    command: start,
  },
  {
    name: "exec",
    group: "Core",
    summary: "Run a command in a sandbox",
    command: exec,
  },
  {
    name: "shell",
    aliases: ["sh"],
    group: "Core",
    summary: "Open a shell in a sandbox, or go back to one",
    command: shell,
  },
  {
    name: "share",
    group: "Core",
    summary: "Make a link to a shell in the browser, or revoke it",
    command: share,
  },
  { name: "image", group: "Resources", summary: "Build and list images", commands: imageCommands },
  {
    name: "snapshot",
    group: "Resources",
    summary: "Keep sandboxes as they are, and go on from there",
    commands: snapshotCommands,
  },
  {
    name: "setup",
    group: "Setup & Admin",
    summary: "Say which daemon to talk to, and with which key",
    command: setup,
  },
  {
    name: "user",
    group: "Setup & Admin",
    summary: "Manage users, on the daemon's machine",
    commands: userCommands,
  },
  {
    name: "serve",
    group: "Setup & Admin",
    summary: "Run the daemon",
    command: serve,
  },
  {
    name: "inspect",
    aliases: ["info"],
    group: "More",
    summary: "Show one sandbox in detail",
    command: inspect,
  },
  {
    name: "ps",
    group: "More",
    summary: "List the sessions of a sandbox: shells, and what runs in the background",
    command: ps,
  },
  {
    name: "attach",
    group: "More",
    summary: "Take up a session, or look on",
    command: attach,
  },
  {
    name: "kill",
    group: "More",
    summary: "End a session, or send it a signal",
    command: kill,
  },
  {
    name: "logs",
    group: "More",
    summary: "Print what a session has written",
    command: logs,
  },
  {
    name: "file",
    group: "More",
    summary: "Read, write and copy files of a sandbox",
    commands: fileCommands,
  },
  {
    name: "version",
    group: "More",
    summary: "Print the version of this program and of its daemon",
    command: version,
  },
];
