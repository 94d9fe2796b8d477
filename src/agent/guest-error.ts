/** The errors that a guest answers with, in the words of the catalogue. */
import { BhattiError } from "../errors/bhatti-error.ts";
import type { ErrorCode } from "../errors/catalogue.ts";
import type { GuestErrorMessage } from "./messages.ts";

const codes = new Map<string, { code: ErrorCode; hint?: string }>([
  ["bad_request", { code: "bad_request" }],
  ["not_found", { code: "path_not_found" }],
  ["is_directory", { code: "is_directory" }],
  ["not_directory", { code: "not_directory" }],
  ["exists", { code: "path_exists" }],
  ["not_empty", { code: "directory_not_empty" }],
  ["permission_denied", { code: "permission_denied" }],
  ["unsafe_path", { code: "unsafe_path" }],
  ["file_changed", { code: "file_changed" }],
  ["no_space", { code: "disk_full", hint: "Free disk space in the sandbox" }],
  ["session_not_found", { code: "session_not_found" }],
  ["session_limit", { code: "session_limit" }],
  ["session_attached", { code: "session_attached" }],
  ["session_taken", { code: "session_taken" }],
  ["session_ended", { code: "session_ended" }],
  ["missed", { code: "connection_lost", hint: "Try again" }],
  ["limit", { code: "guest_busy" }],
]);

const maxMessageLength = 1000;

export function fromGuest(error: GuestErrorMessage): BhattiError {
  const known = codes.get(error.code);
  const text = printable(error.message) || printable(error.code);
  if (!known) return new BhattiError("guest_failed", text);
  return new BhattiError(known.code, text, known.hint === undefined ? {} : { hint: known.hint });
}

/** The guest's text goes to logs and terminals: no control characters, and not without end. */
export function printable(text: string): string {
  return text.slice(0, maxMessageLength).replaceAll(/\p{Cc}+/gu, " ");
}
