import { expect, test } from "bun:test";
import { fromGuest } from "./guest-error.ts";

test.each([
  ["not_found", "Cannot read '/x': No such file or directory", "path_not_found"],
  ["session_taken", "Somebody else has control of it", "session_taken"],
  ["bad_request", "16385 arguments, the maximum is 16384", "bad_request"],
  ["limit", "Stream limit reached (512)", "guest_busy"],
  ["limit", "Cannot start the process: at most so many, or longer than so", "guest_busy"],
])("a guest's %s: %s", (code, message, expected) => {
  expect(fromGuest({ code, message })).toMatchObject({ code: expected, message });
});
