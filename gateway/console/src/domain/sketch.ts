// An outline or a point while it is drawn, click by click. Pure.
import { isPoint, type Role } from './drawing'
import { pixelOf, type Size } from './frame'
import { drawnTo, FEWEST_CORNERS, MIDDLE, type Corner, type Outline } from './zone'

/** Pixels within which a click means the first corner. */
const CLOSING = 14
const CENTRE: Outline = [[0.5, 0.5]]

/** `whole`: nothing of it is left to draw. */
export interface Sketch {
  readonly corners: Outline
  readonly whole: boolean
}

export function withClick(corners: Outline, clicked: Corner, role: Role, size: Size): Sketch {
  if (isPoint(role)) return { corners: [clicked], whole: true }
  const corner = drawnTo(clicked)
  if (closes(corners, corner, size)) return { corners, whole: true }
  // The second click of a double one adds nothing.
  return { corners: String(corners.at(-1)) === String(corner) ? corners : [...corners, corner], whole: false }
}

/** What is taken where somebody ends it: with too few corners, a shape in the middle that can be moved by keys. */
export function ended(corners: Outline, role: Role): Outline {
  if (isPoint(role)) return CENTRE
  return canEnd(corners) ? corners : MIDDLE
}

export function canEnd(corners: Outline): boolean {
  return corners.length >= FEWEST_CORNERS
}

function closes(corners: Outline, corner: Corner, size: Size): boolean {
  const first = corners[0]
  if (first === undefined || !canEnd(corners)) return false
  const [to, from] = [pixelOf(first, size), pixelOf(corner, size)]
  return Math.hypot(to.x - from.x, to.y - from.y) <= CLOSING
}
