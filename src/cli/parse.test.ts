import { expect, test } from "bun:test";
import { duration, durationOrDefault } from "./arguments/duration.ts";
import { environment } from "./arguments/environment.ts";
import { choice, pairs, text, toggle, whole } from "./arguments/flags.ts";
import { parseWords } from "./parse.ts";

const flags = {
  name: text("", {}),
  output: choice("", ["wide"], { short: "o" }),
  yes: toggle("", { short: "y" }),
  tty: toggle("", { short: "t" }),
  label: pairs(""),
};

test.each<[string[], string[], Record<string, string[]>]>([
  [["a", "b"], ["a", "b"], {}],
  [["--name", "x", "a"], ["a"], { name: ["x"] }],
  [["a", "--name=x=y"], ["a"], { name: ["x=y"] }],
  [["--name="], [], { name: [""] }],
  [["--name", "-x"], [], { name: ["-x"] }],
  [["-o", "wide"], [], { output: ["wide"] }],
  [["-owide"], [], { output: ["wide"] }],
  [["-o=wide"], [], { output: ["wide"] }],
  [["-y", "a", "-t"], ["a"], { yes: ["true"], tty: ["true"] }],
  [["-yt"], [], { yes: ["true"], tty: ["true"] }],
  [["-yto", "wide", "a"], ["a"], { yes: ["true"], tty: ["true"], output: ["wide"] }],
  [["--yes=false"], [], { yes: ["false"] }],
  [["-y=false"], [], { yes: ["false"] }],
  [["-yt=true"], [], { yes: ["true"], tty: ["true"] }],
  [["--label", "a=1", "--label", "b=2"], [], { label: ["a=1", "b=2"] }],
  [["a", "--", "-y", "--", "--name"], ["a", "-y", "--", "--name"], {}],
  [["-", "a"], ["-", "a"], {}],
])("%p", (words, positional, written) => {
  const parsed = parseWords(words, flags);
  expect(parsed.positional).toEqual(positional);
  expect(Object.fromEntries(parsed.flags)).toEqual(written);
});

test("stops at the first word that is no flag, when asked to", () => {
  expect(parseWords(["-y", "list", "--nope"], flags, { stopAtWord: true })).toMatchObject({
    positional: [],
    rest: ["list", "--nope"],
  });
});

test.each([["--nope"], ["-x"], ["-yx"], ["--toString"]])("%s is unknown", (word) => {
  expect(() => parseWords([word], flags)).toThrow("unknown flag");
});

test.each<[string[], string]>([
  [["dev", "grep", "-y", "x"], 'misplaced flag "-y"'],
  [["dev", "ls", "-la"], 'unknown flag "-la"'],
])(
  "after one argument %p begins a command, which may have short flags of its own",
  (words, said) => {
    expect(() => parseWords(words, flags, { argumentCount: 1 })).toThrow(said);
  },
);

test.each([
  [["-ty", "dev", "ls"]],
  [["dev", "-ty", "ls"]],
  [["dev", "ls", "--yes", "--tty"]],
  [["-ty", "dev", "--", "ls"]],
])("%p gives the command no flag", (words) => {
  const parsed = parseWords(words, flags, { argumentCount: 1 });
  expect(parsed.positional).toEqual(["dev", "ls"]);
  expect([...parsed.flags.keys()].toSorted()).toEqual(["tty", "yes"]);
});

test.each<[string, number | undefined]>([
  ["5", 5],
  ["007", 7],
  ["+5", 5],
])("whole number %s", (written, value) => {
  expect(whole("", { min: 1, max: 9 }).parse([written], "n")).toBe(value);
});

test.each(["", "1e3", "0x10", "5 ", "NaN", "10", "0"])(
  "no whole number of 1 to 9: %j",
  (written) => {
    expect(() => whole("", { min: 1, max: 9 }).parse([written], "n")).toThrow("--n must be");
  },
);

test.each<[string[], Record<string, string>]>([
  [["A=1,B=2"], { A: "1", B: "2" }],
  [["A=1", "B=2"], { A: "1", B: "2" }],
  [["HOSTS=a,b,c,B=2"], { HOSTS: "a,b,c", B: "2" }],
  [["OPTS=--x=1,--y=2"], { OPTS: "--x=1,--y=2" }],
  [["URL=http://h/?a=1\\,b=2,C=3"], { URL: "http://h/?a=1,b=2", C: "3" }],
  [["SED=s/\\,/x/"], { SED: "s/\\,/x/" }],
  [["A=1,", ",B=,,C=3", ""], { A: "1", B: "", C: "3" }],
  [["A=1\\,"], { A: "1," }],
])("environment %j", (written, variables) => {
  expect(environment("").parse(written, "env")).toEqual(variables);
});

test("what has no name for its value is refused", () => {
  expect(() => environment("").parse(["A,B=1"], "env")).toThrow(
    'must be KEY=VALUE,... or KEY, got "A"',
  );
  expect(environment("").parse(["A", "B=1"], "env")).toEqual({ A: undefined, B: "1" });
  expect(() => pairs("").parse(["a=1,b"], "label")).toThrow('must be key=value, got "b"');
});

test("durations are seconds; only where there is a default, default is null", () => {
  const words = ["1d", "5m"];
  expect(duration("").parse(words, "n")).toBe(300);
  expect(durationOrDefault("").parse(words, "n")).toBe(300);
  expect(duration("").parse([], "n")).toBeUndefined();
  expect(durationOrDefault("").parse([], "n")).toBeUndefined();
  expect(durationOrDefault("").parse(["default"], "n")).toBeNull();
  expect(() => duration("").parse(["default"], "n")).toThrow("--n must be a duration such as");
});
