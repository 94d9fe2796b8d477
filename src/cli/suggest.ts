/** Suggests the word that the user may have meant. */

/**
 * The nearest of the words, or the one that begins like it; undefined when none is near. A destructive one must differ
 * in one letter only.
 */
export function closest(
  word: string,
  words: readonly string[],
  destructive: readonly string[] = [],
): string | undefined {
  let best: { word: string; distance: number } | undefined;
  for (const candidate of words) {
    const distance = editDistance(word, candidate);
    const longest = word.length / 3;
    if (distance > (destructive.includes(candidate) ? Math.min(1, longest) : longest)) continue;
    if (!best || distance < best.distance) best = { word: candidate, distance };
  }
  if (best) return best.word;
  const isMeant = (candidate: string) =>
    candidate.startsWith(word) && !destructive.includes(candidate);
  return word.length > 1 ? words.find(isMeant) : undefined;
}

/** How many letters to insert, delete, replace or swap with their neighbour. */
export function editDistance(a: string, b: string): number {
  let previous: number[] = [];
  let current = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (current[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next[j] = Math.min(
        replace,
        (next[j - 1] ?? 0) + 1,
        (current[j] ?? 0) + 1,
        swapped ? (previous[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    previous = current;
    current = next;
  }
  return current[b.length] ?? 0;
}
