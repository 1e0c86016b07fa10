// A list that the live stream keeps up to date. Pure: lists in, lists out.
// Answers and notices may overtake each other, so a record only ever gives way to one of the same or a later revision.

export interface Revised {
  revision: number
}

export interface Shape<T extends Revised> {
  key: (record: T) => string
  /** By which the list is ordered, the greatest first. */
  rank: (record: T) => string
  /** How many are kept; the lowest ranks go first. */
  most: number
}

function ordered<T extends Revised>(shape: Shape<T>, records: Iterable<T>): T[] {
  const sorted = [...records].sort((one, other) => {
    const [a, b] = [shape.rank(one), shape.rank(other)]
    return a === b ? (shape.key(one) < shape.key(other) ? 1 : -1) : a < b ? 1 : -1
  })
  return sorted.slice(0, shape.most)
}

/** The list with `record` in it, in its place. */
export function withRecord<T extends Revised>(shape: Shape<T>, list: readonly T[], record: T): T[] {
  const held = list.find((one) => shape.key(one) === shape.key(record))
  if (held !== undefined && held.revision > record.revision) return [...list]
  return ordered(shape, [...list.filter((one) => one !== held), record])
}

/** A list fetched anew: it holds what there is, but a record that has moved on since it was read stays as it is. */
export function refetched<T extends Revised>(
  shape: Shape<T>,
  list: readonly T[],
  fetched: readonly T[],
  arrivedMeanwhile: ReadonlySet<string>,
): T[] {
  const found = new Map(fetched.map((one) => [shape.key(one), one]))
  for (const one of list) {
    const key = shape.key(one)
    const other = found.get(key)
    if (other === undefined ? arrivedMeanwhile.has(key) : one.revision > other.revision) found.set(key, one)
  }
  return ordered(shape, found.values())
}
