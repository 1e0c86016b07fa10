// Outlines in normalised picture coordinates (0 to 1, x to the right, y down), as zones are drawn. Pure geometry: what
// the gateway refuses (detectors/rules/zones.py) is found while it is drawn, with the edges that are at fault.

export type Corner = readonly [x: number, y: number]
/** Corners in order; the last one joins the first. */
export type Outline = readonly Corner[]

export const WHOLE: Outline = [[0, 0], [1, 0], [1, 1], [0, 1]]
export const MIDDLE: Outline = [[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]]
export const FEWEST_CORNERS = 3
export const MOST_CORNERS = 64
/** Share of the picture. */
const SMALLEST_AREA = 1e-4
const DECIMALS = 1e4
/** Share of the picture within which a corner set by hand is meant to lie on its edge. */
const EDGE = 0.02

export type OutlineFault = 'tooFew' | 'tooMany' | 'same' | 'crosses' | 'small'

/** In the picture, and no finer than a ten-thousandth of it. */
export function within(x: number, y: number): Corner {
  const placed = (value: number): number => Math.round(Math.min(1, Math.max(0, value)) * DECIMALS) / DECIMALS
  return [placed(x), placed(y)]
}

/**
 * A corner set near the picture's edge lies on it. Whoever the edge cuts off is taken to stand there (the middle of the
 * lower side of what is seen): in a zone that ends just above it, nobody in the foreground would ever count.
 */
export function drawnTo([x, y]: Corner): Corner {
  const placed = (value: number): number => (value < EDGE ? 0 : value > 1 - EDGE ? 1 : value)
  return [placed(x), placed(y)]
}

export function isWhole(outline: Outline): boolean {
  return outline.length === 4 && area(outline) === 1
}

export function withCorner(outline: Outline, at: number, corner: Corner): Outline {
  return outline.map((one, index) => (index === at ? corner : one))
}

/** A new corner in the middle of the edge that begins at corner `at`; it is number `at + 1`. */
export function withMiddleOf(outline: Outline, at: number): Outline {
  const middle = middleOf(outline, at)
  return [...outline.slice(0, at + 1), middle, ...outline.slice(at + 1)]
}

export function middleOf(outline: Outline, at: number): Corner {
  const [[x1, y1], [x2, y2]] = edgeOf(outline, at)
  return within((x1 + x2) / 2, (y1 + y2) / 2)
}

/** The edge that begins at corner `at`; the last one ends at the first. */
export function edgeOf(outline: Outline, at: number): readonly [from: Corner, to: Corner] {
  return [corner(outline, at), corner(outline, at + 1)]
}

/** Without that corner; an outline of three keeps them. */
export function withoutCorner(outline: Outline, at: number): Outline {
  return outline.length <= FEWEST_CORNERS ? outline : outline.filter((_, index) => index !== at)
}

/** The whole outline moved, and stopped at the picture's edges in its own shape. */
export function moved(outline: Outline, dx: number, dy: number): Outline {
  const room = (values: number[], by: number): number => Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), by))
  const byX = room(outline.map(([x]) => x), dx)
  const byY = room(outline.map(([, y]) => y), dy)
  return outline.map(([x, y]) => within(x + byX, y + byY))
}

/** Why an outline is no zone, or null; and the edges (by their first corner) that cross or touch one another. */
export interface Soundness {
  readonly fault: OutlineFault | null
  readonly edges: ReadonlySet<number>
}

export function faultOf(outline: Outline): Soundness {
  const edges = crossing(outline)
  return { fault: named(outline, edges), edges }
}

function named(outline: Outline, edges: ReadonlySet<number>): OutlineFault | null {
  if (outline.length < FEWEST_CORNERS) return 'tooFew'
  if (outline.length > MOST_CORNERS) return 'tooMany'
  if (new Set(outline.map(String)).size < outline.length) return 'same'
  if (edges.size > 0) return 'crosses'
  return Math.abs(area(outline)) < SMALLEST_AREA ? 'small' : null
}

function corner(outline: Outline, at: number): Corner {
  return outline[at % outline.length] ?? [0, 0]
}

function area(outline: Outline): number {
  let doubled = 0
  outline.forEach(([x1, y1], index) => {
    const [x2, y2] = corner(outline, index + 1)
    doubled += x1 * y2 - x2 * y1
  })
  return Math.abs(doubled) / 2
}

function crossing(outline: Outline): ReadonlySet<number> {
  const found = new Set<number>()
  const count = outline.length
  for (let first = 0; first < count; first += 1)
    for (let second = first + 1; second < count; second += 1) {
      const [a, b] = [corner(outline, first), corner(outline, first + 1)]
      const [c, d] = [corner(outline, second), corner(outline, second + 1)]
      const next = second === first + 1
      const around = first === 0 && second === count - 1
      const bad = next ? foldsBack(a, b, d) : around ? foldsBack(c, a, b) : meet(a, b, c, d)
      if (bad) found.add(first).add(second)
    }
  return found
}

/** Above 0: r lies on one side of the line from p to q, below on the other; 0: on it. */
function side(p: Corner, q: Corner, r: Corner): number {
  return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
}

/** Whether the edge from b to c runs back over the edge from a to b. */
function foldsBack(a: Corner, b: Corner, c: Corner): boolean {
  if (side(a, b, c) !== 0) return false
  return (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1]) > 0
}

function meet(a: Corner, b: Corner, c: Corner, d: Corner): boolean {
  const [abc, abd, cda, cdb] = [side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b)]
  if (abc > 0 !== abd > 0 && cda > 0 !== cdb > 0 && ![abc, abd, cda, cdb].includes(0)) return true
  return (
    (abc === 0 && between(a, b, c)) || (abd === 0 && between(a, b, d)) ||
    (cda === 0 && between(c, d, a)) || (cdb === 0 && between(c, d, b))
  )
}

function between(a: Corner, b: Corner, p: Corner): boolean {
  const inside = (one: number, other: number, value: number): boolean =>
    Math.min(one, other) <= value && value <= Math.max(one, other)
  return inside(a[0], b[0], p[0]) && inside(a[1], b[1], p[1])
}
