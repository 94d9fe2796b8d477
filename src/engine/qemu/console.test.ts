import { expect, test } from "bun:test";
import { panicReason } from "./console.ts";

test.each<[string, string | undefined]>([
  ["The console ends with:\nlogin: ", undefined],
  [
    "[    3.1] sysrq: Trigger a crash\n[    3.2] Kernel panic - not syncing: sysrq triggered crash\n[    3.3] CPU: 0 PID: 1",
    "sysrq triggered crash",
  ],
  ["[ 1.0] Kernel panic - not syncing:\n[ 1.1] CPU: 0", "no reason given"],
])("the reason for the panic in %j is %p", (console, reason) => {
  expect(panicReason(console)).toBe(reason);
});
