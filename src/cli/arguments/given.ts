/** A field of a request, when there is a value for it. */
export function given<Name extends string, T>(
  name: Name,
  value: T | undefined,
): { [_ in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [_ in Name]: T });
}
