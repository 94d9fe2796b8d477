import { expect, test } from "bun:test";
import { fromGuest } from "./guest-error.ts";

test.each([
  ["1025 arguments, at most 1024", "bad_request"],
  ["A message is longer than 4 MiB", "bad_request"],
  ["512 streams are open already", "guest_busy"],
  ["256 processes run already", "guest_busy"],
  ["Cannot start the process: Too many open files", "guest_busy"],
])("a limit of the guest: %s", (message, code) => {
  expect(fromGuest({ code: "limit", message })).toMatchObject({ code, message });
});
