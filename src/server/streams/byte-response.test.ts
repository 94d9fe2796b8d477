import { expect, test } from "bun:test";
import { respondWithBytes } from "./byte-response.ts";

const signal = new AbortController().signal;

async function* pieces(...all: (string | Error)[]) {
  for (const piece of all) {
    if (piece instanceof Error) throw piece;
    yield Buffer.from(piece);
  }
}

function respond(...all: (string | Error)[]): Promise<Response> {
  const bytes = Object.assign(pieces(...all), { release: () => {} });
  return respondWithBytes(bytes, { headers: {}, signal });
}

test("bytes of unknown number come one piece after the other", async () => {
  expect(await (await respond("one ", "two ", "three")).text()).toBe("one two three");
  expect(await (await respond()).text()).toBe("");
});

test("what fails before the first byte is an error that can still be told", async () => {
  await expect(respond(new Error("not readable"))).rejects.toThrow("not readable");
});

test("what fails later cuts the answer off", async () => {
  const response = await respond("one ", new Error("not readable"));
  await expect(response.text()).rejects.toThrow("not readable");
});
