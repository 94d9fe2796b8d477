/** What can be done with the files of a guest: as its user, or as root where that is asked for. */
import type { Pieces } from "../async/pieces.ts";

export const fileOwners = ["lohar", "root"] as const;
export type FileOwner = (typeof fileOwners)[number];

export interface GuestPath {
  /** Absolute, or relative to /workspace. */
  path: string;
  /** With whose rights. */
  user: FileOwner;
}

export interface FileEntry {
  name: string;
  path: string;
  type: "file" | "directory" | "link" | "other";
  /** Bytes. */
  size: number;
  /** Permission bits. */
  mode: number;
  mtimeMs: number;
  uid: number;
  gid: number;
  /** Where a link leads. */
  target?: string;
}

export interface FileChange {
  /** `overflow`: changes were lost, look again. */
  type: "created" | "modified" | "deleted" | "moved" | "overflow";
  path: string;
  /** Of one that was moved. */
  from?: string;
  isDirectory: boolean;
}

export type GuestBytes = Pieces<Uint8Array>;

export interface FileSelection {
  /** The first line is 1. */
  offset?: number;
  /** Lines. */
  limit?: number;
  /** Bytes. */
  maxBytes?: number;
}

export interface OpenedFile extends GuestBytes {
  /** Of the whole file. */
  readonly size: number;
  readonly mode: number;
  readonly mtimeMs: number;
  /** How many bytes follow, when that is known before they are read. */
  readonly bytes?: number;
}

/** Of one page of a list. */
export const maximumEntries = 10_000;
/** Of one page, as the guest sends it, with the directory's path once more for each entry. */
export const maximumListBytes = 4 * 1024 * 1024;

/** Which page of a list. */
export interface ListPage {
  /** The `next` of the page before. */
  after?: string;
  maxBytes?: number;
}

export interface FileList {
  entries: FileEntry[];
  /** There are more than these. */
  truncated: boolean;
  /** The `after` of the next page; absent with agents of earlier versions, which have none. */
  next?: string;
}

export interface TransferResult {
  entries: number;
  bytes: number;
  /** Devices and the like. */
  skipped: number;
}

/** The signal ends the wait and the work; what was complete by then stays. Throws the catalogue's errors about paths. */
export interface GuestFiles {
  read(at: GuestPath, selection: FileSelection, signal: AbortSignal): Promise<OpenedFile>;
  /** One page, sorted by the bytes of the names. */
  list(at: GuestPath & ListPage, signal: AbortSignal): Promise<FileList>;
  /** Of what a link leads to, unless `follow` is false. */
  stat(at: GuestPath & { follow?: boolean }, signal: AbortSignal): Promise<FileEntry>;
  makeDirectory(
    at: GuestPath & { mode?: number; parents?: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  remove(at: GuestPath & { recursive?: boolean }, signal: AbortSignal): Promise<void>;
  move(from: GuestPath, to: string, signal: AbortSignal): Promise<void>;
  copy(from: GuestPath & { recursive?: boolean }, to: string, signal: AbortSignal): Promise<void>;
  /** A directory's content, or one file, as a tar stream; `sparse` leaves out holes (GNU's pax format 1.0). */
  pack(at: GuestPath & { sparse?: boolean }, signal: AbortSignal): Promise<GuestBytes>;
  /** A tar stream into a directory, which is made when it lacks. */
  unpack(
    at: GuestPath,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<TransferResult>;
  /** Resolves when it watches; goes on until it is let go of. */
  watch(at: GuestPath & { recursive?: boolean }, signal: AbortSignal): Promise<Pieces<FileChange>>;
}
