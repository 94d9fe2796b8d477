import { expect, test } from "bun:test";
import { BhattiError } from "../../errors/bhatti-error.ts";
import { AnswerBudget } from "./answer-budget.ts";

const megabyte = 1_048_576;

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof BhattiError ? error.code : String(error);
  }
}

test("a user over the limit is refused until an answer is released", () => {
  const budget = new AnswerBudget({ userAnswerBytes: 2 * megabyte, answerBytes: 10 * megabyte });
  const first = budget.reserve("ada", megabyte);
  const second = budget.reserve("ada", megabyte);
  expect(codeOf(() => budget.reserve("ada"))).toBe("unread_limit");
  expect(codeOf(() => budget.reserve("bob"))).toBeUndefined();
  first.release();
  first.release();
  expect(budget.total).toBe(megabyte);
  expect(codeOf(() => budget.reserve("ada", megabyte + 1))).toBe("unread_limit");
  expect(codeOf(() => budget.reserve("ada", megabyte))).toBeUndefined();
  second.release();
  expect(budget.total).toBe(megabyte);
});

test("all users together are bounded", () => {
  const budget = new AnswerBudget({ userAnswerBytes: 2 * megabyte, answerBytes: 3 * megabyte });
  budget.reserve("ada", 2 * megabyte);
  budget.reserve("bob", megabyte);
  expect(codeOf(() => budget.reserve("eve"))).toBe("overloaded");
});

test("growth that has no room changes nothing", () => {
  const budget = new AnswerBudget({ userAnswerBytes: 2 * megabyte, answerBytes: 3 * megabyte });
  const first = budget.reserve("ada");
  const other = budget.reserve("bob");
  expect(first.grow(megabyte)).toBeTrue();
  expect(first.grow(megabyte + 1)).toBeFalse();
  expect(other.grow(2 * megabyte)).toBeTrue();
  expect(first.grow(1)).toBeFalse();
  other.release();
  expect(first.grow(1)).toBeTrue();
  first.release();
  expect(budget.total).toBe(0);
});

test("an answer that is larger than the limit passes alone, and one with an effect always", () => {
  const budget = new AnswerBudget({ userAnswerBytes: megabyte, answerBytes: megabyte });
  const large = budget.reserve("ada", 3 * megabyte);
  expect(codeOf(() => budget.reserve("bob"))).toBe("overloaded");
  const after = budget.reserveAnyway("ada", megabyte);
  expect(budget.total).toBe(4 * megabyte);
  large.release();
  after.release();
  expect(budget.total).toBe(0);
});

test("a refusal says when to try again", () => {
  const budget = new AnswerBudget({ userAnswerBytes: megabyte, answerBytes: megabyte });
  budget.reserve("ada", megabyte);
  try {
    budget.reserve("ada");
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ status: 429, retryAfterSeconds: 5 });
  }
});
