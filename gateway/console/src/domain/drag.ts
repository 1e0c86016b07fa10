// A corner of a shape, or the whole of it, while it is dragged. Pure.
import { drawnTo, FEWEST_CORNERS, moved, withCorner, type Corner, type Outline } from './zone'

/** `at`: the corner that was taken; null: the whole. `before`: the corners as they were where it was taken, at `start`. */
export interface Drag {
  readonly id: string
  readonly at: number | null
  readonly start: Corner
  readonly before: Outline
  readonly corners: Outline
}

export function taken(id: string, at: number | null, corners: Outline, start: Corner): Drag {
  return { id, at, start, before: corners, corners }
}

export function draggedTo(drag: Drag, here: Corner): Drag {
  const { at, start, before } = drag
  if (at === null) return { ...drag, corners: moved(before, here[0] - start[0], here[1] - start[1]) }
  const outline = before.length >= FEWEST_CORNERS
  return { ...drag, corners: withCorner(before, at, outline ? drawnTo(here) : here) }
}
