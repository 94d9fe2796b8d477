import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { failureOf } from "../support/failure.ts";
import { generous, RealLohar, run } from "../support/lohar.ts";

setDefaultTimeout(120_000);

function hardwareAddresses(): string[] {
  const interfaces = "/sys/class/net";
  return readdirSync(interfaces).map((name) => {
    const read = (file: string) => readFileSync(`${interfaces}/${name}/${file}`, "utf8").trim();
    return `${name} ${read("address")} ${read("flags")}`;
  });
}

describe("a hardware address", () => {
  test("is taken, and not given to a computer that is not lohar's own", async () => {
    await using lohar = await RealLohar.start();
    const guest = await lohar.connect();
    const before = hardwareAddresses();
    await guest.configure({ mac: "52:54:00:aa:bb:cc" }, generous());
    expect(hardwareAddresses()).toEqual(before);
  });

  test.each(["", "eth0", "52:54:00:aa:bb", "52-54-00-aa-bb-cc", "01:00:5e:00:00:01"])(
    "%p is refused",
    async (mac) => {
      await using lohar = await RealLohar.start();
      const guest = await lohar.connect();
      const refused = await failureOf(guest.configure({ mac }, generous()));
      expect(refused).toMatchObject({
        code: "bad_request",
        message: expect.stringContaining("'mac'"),
      });
    },
  );
});

test("a guest that only slept is told the time, and keeps what it is", async () => {
  await using lohar = await RealLohar.start();
  const guest = await lohar.connect();
  await guest.configure({ env: { COLOUR: "blue" } }, generous());
  await guest.configure({}, generous());
  expect((await run(guest, "echo $COLOUR")).stdout.toString()).toBe("blue\n");
});
