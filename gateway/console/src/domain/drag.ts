// A corner of a shape, or the whole of it, while it is dragged. Pure.
import { moved, withCorner, type Corner, type Outline } from './zone'

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
  const corners = at === null ? moved(before, here[0] - start[0], here[1] - start[1]) : withCorner(before, at, here)
  return { ...drag, corners }
}
