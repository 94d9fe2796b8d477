import { expect, test } from "bun:test";
import { homeDirectory, invokingUser } from "./settings.ts";

const read = async () =>
  "root:x:0:0:root:/root:/bin/bash\nann:x:1001:1002:Ann:/home/ann:/bin/sh\nhomeless:x:7:7::\n";

test.each<[string, Record<string, string>, number, string]>([
  ["a person", { HOME: "/home/bo" }, 1000, "/home/bo"],
  ["root", { HOME: "/root" }, 0, "/root"],
  ["under sudo", { HOME: "/root", SUDO_USER: "ann" }, 0, "/home/ann"],
  ["sudo by root", { HOME: "/root", SUDO_USER: "root" }, 0, "/root"],
  ["sudo to another", { HOME: "/home/bo", SUDO_USER: "ann" }, 1000, "/home/bo"],
  ["sudo by an unknown user", { HOME: "/root", SUDO_USER: "gone" }, 0, "/root"],
  ["without a home", { SUDO_USER: "homeless" }, 0, "/root"],
])("home of %s", async (_name, env, userId, home) => {
  expect(await homeDirectory(env, userId, read)).toBe(home);
});

test("what is written under sudo belongs to who called it", async () => {
  expect(await invokingUser({ SUDO_USER: "ann" }, 0, read)).toEqual({
    uid: 1001,
    gid: 1002,
    home: "/home/ann",
  });
  expect(await invokingUser({}, 0, read)).toBeUndefined();
});
