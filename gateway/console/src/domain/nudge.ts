// How far an arrow key moves a corner. Pure.
import { within, type Corner } from './zone'

/** Share of the picture; with shift ten times as far. */
const STEP = 0.005
const FAR = 10
const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
}

/** Where the corner is then; null: it is no arrow's key. */
export function nudged([x, y]: Corner, key: string, far: boolean): Corner | null {
  const arrow = ARROWS[key]
  if (arrow === undefined) return null
  const step = far ? FAR * STEP : STEP
  return within(x + step * arrow[0], y + step * arrow[1])
}
